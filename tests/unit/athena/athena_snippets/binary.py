"""Bytes: known digests, numbers there and back, and what is refused."""

from athena_snippets import Fails

SECTION = "Binary functions and operators"
SOURCE = "https://trino.io/docs/current/functions/binary.html"
SNIPPETS = [
    ("to_hex(md5(to_utf8('a')))", "0CC175B9C0F1B6A831C399E269772661"),
    ("lower(to_hex(sha1(to_utf8('a'))))", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
    ("lower(to_hex(sha256(to_utf8('a'))))", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    (
        "to_hex(sha512(to_utf8('')))",
        (
            "CF83E1357EEFB8BDF1542850D66D8007D620E4050B5715DC83F4A921D36CE9CE47D0D13C5D85F2B0FF8318D2877EEC2F"
            "63B931BD47417A81A538327AF927DA3E"
        ),
    ),
    ("to_hex(xxhash64(to_utf8('hashme')))", "F9D96E0E1165E892"),
    ("to_hex(murmur3(to_utf8('hashme')))", "93192FE805BE23041C8318F67EC4F2BC"),
    ("crc32(to_utf8('hello'))", "907060870"),
    ("to_hex(hmac_md5(to_utf8('a'), to_utf8('k')))", "DDCF3D210049E7135F61AFFAE73731CD"),
    (
        "to_hex(hmac_sha256(to_utf8('what do ya want for nothing?'), to_utf8('Jefe')))",
        "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843",
    ),
    ("md5(null)", None),
    ("to_base64(to_utf8('ab'))", "YWI="),
    ("from_utf8(from_base64('YWI='))", "ab"),
    ("from_utf8(from_base64('YWI'))", "ab"),
    ("from_base64('!!')", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("to_base64url(from_hex('fbff'))", "-_8="),
    ("from_base64url('-_8=')", "fb ff"),
    ("to_base32(to_utf8('ab'))", "MFRA===="),
    ("from_utf8(from_base32('MFRA===='))", "ab"),
    ("from_utf8(from_hex('6162'))", "ab"),
    ("from_hex('f')", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("from_hex('zz')", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("to_hex(to_big_endian_32(258))", "00000102"),
    ("to_hex(to_big_endian_64(-1))", "FFFFFFFFFFFFFFFF"),
    ("from_big_endian_64(from_hex('0000000000000102'))", "258"),
    ("from_big_endian_32(from_hex('00000102'))", "258"),
    ("from_big_endian_64(from_hex('00'))", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("to_hex(to_ieee754_64(1.5e0))", "3FF8000000000000"),
    ("from_ieee754_64(from_hex('3ff8000000000000'))", "1.5"),
    ("to_hex(to_ieee754_32(real '1.5'))", "3FC00000"),
    ("from_ieee754_32(from_hex('3fc00000'))", "1.5"),
    ("length(x'0102')", "2"),
    ("lpad(x'01', 3, x'aabb')", "aa bb 01"),
    ("rpad(x'01', 3, x'aa')", "01 aa aa"),
    ("lpad(x'010203', 2, x'00')", "01 02"),
    ("lpad(x'01', -1, x'00')", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("substr(x'010203', 2)", "02 03"),
    ("substr(x'010203', -2, 1)", "02"),
    ("substr(x'010203', 0)", ""),
    ("reverse(x'0102')", "02 01"),
    ("concat(x'01', x'02')", "01 02"),
    ("x'01' || x'02'", "01 02"),
    ("from_utf8(x'61ff62', '?')", "a?b"),
    ("from_utf8(x'61ff', '')", "a"),
    ("from_utf8(x'ff', 63)", "?"),
    ("from_utf8(x'61', 'ab')", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("codepoint(from_utf8(x'ff'))", "65533"),
    ("spooky_hash_v2_32(x'00')", Fails("NOT_SUPPORTED")),
]
