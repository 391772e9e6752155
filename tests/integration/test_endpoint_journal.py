"""What DynamoDB answered is there after the endpoint was killed, however soon: each write once, transactions whole."""

from __future__ import annotations

import random
import shutil
import threading
import time
from contextlib import suppress

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from endpoint_kill import kill

from lakehouse.errors import LocalError
from lakehouse.local.endpoint import Endpoint

TABLE = "table"
# Account and region.
OWNERS = [("000000000000", "us-east-1"), ("000000000000", "eu-west-1"), ("111122223333", "us-east-1")]


def client(endpoint, account="000000000000", region="us-east-1"):
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint.url,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1, "mode": "standard"}),
    )


def kill_and_start(endpoint):
    kill(endpoint)
    endpoint.start()


def new_table(dynamodb, name=TABLE, **settings):
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}, {"AttributeName": "sort", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "key", "AttributeType": "S"},
            {"AttributeName": "sort", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
        **settings,
    )


def key(name):
    return {"key": {"S": name}, "sort": {"N": "1"}}


def add(name, count=1, table=TABLE):
    return {
        "TableName": table,
        "Key": key(name),
        "UpdateExpression": "ADD #count :count",
        "ExpressionAttributeNames": {"#count": "count"},
        "ExpressionAttributeValues": {":count": {"N": str(count)}},
    }


def held(dynamodb, table=TABLE):
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    items = {item["key"]["S"]: item for page in pages for item in page["Items"]}
    return {name: int(item.get("count", {"N": "0"})["N"]) for name, item in items.items()}


def pages(endpoint):
    return sorted((endpoint.home / "state").glob("dynamodb.*.journal"))


def wait_for_checkpoint(endpoint):
    """Until the state is saved and no page of the journal is left."""
    deadline = time.monotonic() + 20
    while pages(endpoint):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Model:
    """Writes in every way there is, and knows what must have become of it: a count by key."""

    def __init__(self, seed):
        self.random, self.counts = random.Random(seed), {}

    def write(self, dynamodb):
        ways = [self.add, self.put, self.delete, self.batch, self.transact, self.execute, self.execute_all]
        self.random.choice(ways)(dynamodb)

    def name(self):
        return f"key-{self.random.randrange(8)}"

    def item(self, name):
        count = self.counts[name] = self.random.randrange(1000)
        return {**key(name), "count": {"N": str(count)}, "text": {"S": "é\n" * self.random.randrange(300)}}

    def count(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1

    def add(self, dynamodb):
        name = self.name()
        dynamodb.update_item(**add(name))
        self.count(name)

    def put(self, dynamodb):
        dynamodb.put_item(TableName=TABLE, Item=self.item(self.name()))

    def delete(self, dynamodb):
        name = self.name()
        dynamodb.delete_item(TableName=TABLE, Key=key(name))
        self.counts.pop(name, None)

    def batch(self, dynamodb):
        put, deleted = self.random.sample(range(8), 2)
        requests = [
            {"PutRequest": {"Item": self.item(f"key-{put}")}},
            {"DeleteRequest": {"Key": key(f"key-{deleted}")}},
        ]
        dynamodb.batch_write_item(RequestItems={TABLE: requests})
        self.counts.pop(f"key-{deleted}", None)

    def transact(self, dynamodb):
        added, put, deleted = (f"key-{number}" for number in self.random.sample(range(8), 3))
        dynamodb.transact_write_items(
            TransactItems=[
                {"Update": add(added)},
                {"Put": {"TableName": TABLE, "Item": self.item(put)}},
                {"Delete": {"TableName": TABLE, "Key": key(deleted)}},
            ]
        )
        self.count(added)
        self.counts.pop(deleted, None)

    def execute(self, dynamodb):
        name = self.name()
        if name in self.counts:
            statement = f'UPDATE "{TABLE}" SET "count" = "count" + 1 WHERE "key" = \'{name}\' AND "sort" = 1'
            self.count(name)
        else:
            statement = f"INSERT INTO \"{TABLE}\" VALUE {{'key': '{name}', 'sort': 1, 'count': 7}}"
            self.counts[name] = 7
        dynamodb.execute_statement(Statement=statement)

    def execute_all(self, dynamodb):
        """A transaction whose second statement fails after the first was applied: nothing happened."""
        self.counts.setdefault("key-0", 0)
        dynamodb.update_item(**add("key-0", 0))
        update = f'UPDATE "{TABLE}" SET "count" = 5000 WHERE "key" = \'key-0\' AND "sort" = 1'
        insert = f"INSERT INTO \"{TABLE}\" VALUE {{'key': 'key-0', 'sort': 1}}"
        with pytest.raises(ClientError, match=r"TransactionCanceled|Duplicate"):
            dynamodb.execute_transaction(TransactStatements=[{"Statement": update}, {"Statement": insert}])


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.e2e)])
def test_every_write_that_was_answered_is_there_once_when_the_kill_comes_right_after_it(own, kills):
    models = {owner: Model(number) for number, owner in enumerate(OWNERS)}
    for owner in OWNERS:
        new_table(client(own, *owner))
    for kill_number in range(1, kills + 1):
        for owner, model in models.items():
            dynamodb = client(own, *owner)
            for _ in range(20):
                model.write(dynamodb)
            dynamodb.update_item(**add("kills"))
            model.counts["kills"] = kill_number
        kill_and_start(own)
        assert {owner: held(client(own, *owner)) for owner in OWNERS} == {
            owner: model.counts for owner, model in models.items()
        }


@pytest.mark.parametrize(("unpatched", "survive"), [(False, True), (True, False)])
def test_a_write_survives_a_kill_unlike_on_the_bare_emulator(tmp_path, unpatched, survive):
    endpoint = Endpoint(tmp_path / "home", 0, unpatched=unpatched)
    endpoint.home.mkdir()
    endpoint.start()
    try:
        new_table(client(endpoint))
        state = endpoint.home / "state" / "dynamodb.json"
        while not (state.exists() and TABLE in state.read_text()):
            time.sleep(0.02)
        for name in ("deleted", "kept"):
            client(endpoint).put_item(TableName=TABLE, Item=key(name))
        client(endpoint).delete_item(TableName=TABLE, Key=key("deleted"))
        client(endpoint).transact_write_items(TransactItems=[{"Update": add("one")}, {"Update": add("two")}])
        kill_and_start(endpoint)
        assert set(held(client(endpoint))) == ({"kept", "one", "two"} if survive else set())
    finally:
        endpoint.stop()


class Adder(threading.Thread):
    """Adds to counters of its own, by transactions of two, until the endpoint is gone."""

    def __init__(self, endpoint, name):
        super().__init__(daemon=True)
        self.dynamodb, self.name, self.answered = client(endpoint), name, 0

    def run(self):
        with suppress(BotoCoreError, ClientError):
            while True:
                pair = [{"Update": add(f"{self.name}-{side}-{self.answered % 50}")} for side in ("left", "right")]
                self.dynamodb.transact_write_items(TransactItems=pair)
                self.answered += 1


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.e2e)])
def test_counters_are_exact_and_transactions_whole_when_the_kill_comes_at_any_moment(own, kills):
    new_table(client(own))
    for kill_number in range(kills):
        adders = [Adder(own, f"{kill_number}-{thread}") for thread in range(3)]
        for adder in adders:
            adder.start()
        # Long enough for checkpoints in between.
        time.sleep(random.Random(kill_number).uniform(0.3, 1.2))
        kill(own)
        for adder in adders:
            adder.join()
        own.start()
        counts = held(client(own))
        for adder in adders:
            left, right = (
                [counts.get(f"{adder.name}-{side}-{number}", 0) for number in range(50)] for side in ("left", "right")
            )
            assert left == right
            # The last one may have been applied, and its answer lost.
            assert sum(left) in {adder.answered, adder.answered + 1}


def test_a_table_and_its_settings_are_there_when_the_kill_comes_right_after_each(own):
    new_table(client(own), Tags=[{"Key": "a", "Value": "b"}])
    kill_and_start(own)
    assert client(own).describe_table(TableName=TABLE)["Table"]["TableStatus"] == "ACTIVE"
    expiry = {"AttributeName": "expires", "Enabled": True}
    client(own).update_time_to_live(TableName=TABLE, TimeToLiveSpecification=expiry)
    kill_and_start(own)
    assert client(own).describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
    client(own).put_item(TableName=TABLE, Item=key("one"))
    client(own).delete_table(TableName=TABLE)
    kill_and_start(own)
    assert client(own).list_tables()["TableNames"] == []


def test_pages_that_a_kill_left_after_their_checkpoint_change_nothing(own, tmp_path):
    dynamodb = client(own)
    for table in (TABLE, "other"):
        new_table(dynamodb, table)
        wait_for_checkpoint(own)
        dynamodb.update_item(**add("counter", table=table))
        dynamodb.put_item(TableName=table, Item=key("deleted"))
        dynamodb.delete_item(TableName=table, Key=key("deleted"))
        (tmp_path / table).mkdir()
        for page in pages(own):
            shutil.copy(page, tmp_path / table)
    wait_for_checkpoint(own)
    dynamodb.delete_table(TableName="other")
    new_table(dynamodb, "other")
    dynamodb.update_item(**add("counter", 2))
    kill(own)
    for table in (TABLE, "other"):
        kept = list((tmp_path / table).iterdir())
        assert kept
        for page in kept:
            shutil.copy(page, own.home / "state")
    own.start()
    assert held(client(own)) == {"counter": 3}
    assert held(client(own), "other") == {}


def test_a_line_that_the_kill_tore_is_ignored_and_later_writes_are_kept(own):
    new_table(client(own))
    client(own).update_item(**add("counter"))
    kill(own)
    with pages(own)[-1].open("ab") as page:
        page.write(b'[["arn:aws:dynamodb:us-east-1:000000000000:table/table","')
    own.start()
    assert held(client(own)) == {"counter": 1}
    client(own).update_item(**add("counter"))
    kill_and_start(own)
    assert held(client(own)) == {"counter": 2}


def test_a_journal_that_cannot_be_read_is_refused_and_kept(own):
    new_table(client(own))
    client(own).update_item(**add("counter"))
    kill(own)
    content = pages(own)[-1].read_bytes()
    pages(own)[-1].write_bytes(torn := content[10:])
    with pytest.raises(LocalError, match=r"journal .* cannot be read.*lakehouse reset"):
        own.start()
    assert pages(own)[-1].read_bytes() == torn


def test_the_journal_ends_with_the_next_checkpoint_even_while_items_are_added(own):
    new_table(client(own))
    wait_for_checkpoint(own)
    first, dynamodb, number = None, client(own), 0
    deadline = time.monotonic() + 20
    while first is None or first.exists():
        assert time.monotonic() < deadline, "the first page stayed"
        dynamodb.batch_write_item(
            RequestItems={TABLE: [{"PutRequest": {"Item": key(f"{number}-{each}")}} for each in range(25)]}
        )
        number += 1
        first = first or next(iter(pages(own)), None)
    kill_and_start(own)
    assert len(held(client(own))) == 25 * number
