"""URLs: parts that are there, parts that are not, and what is no URL."""

from athena_snippets import Fails

SECTION = "URL functions"
SOURCE = "https://trino.io/docs/current/functions/url.html"
SNIPPETS = [
    ("url_extract_host('https://user@example.com:8080/p/a%20b?q=1#fr')", "example.com"),
    ("url_extract_port('https://example.com:8080/')", "8080"),
    ("url_extract_port('http://example.com')", None),
    ("url_extract_path('https://x.com/p?q=1')", "/p"),
    ("url_extract_path('https://e.com/p/a%20b?x')", "/p/a b"),
    ("url_extract_path('http://e.com')", ""),
    ("url_extract_query('http://e.com/p?q=1&r=%20')", "q=1&r= "),
    ("url_extract_query('http://e.com')", ""),
    ("url_extract_fragment('http://e.com/#a')", "a"),
    ("url_extract_protocol('http://e.com')", "http"),
    ("url_extract_protocol('/p')", ""),
    ("url_extract_host('/just/path')", ""),
    ("url_extract_host('foo bar')", None),
    ("url_extract_path('http://e.com/a b')", None),
    ("url_extract_host(null)", None),
    ("url_extract_parameter('https://x.com/p?q=1', 'q')", "1"),
    ("url_extract_parameter('https://x.com/p?q=1&r=a+b%21&q=2', 'r')", "a b!"),
    ("url_extract_parameter('https://x.com/p?q=1&q=2', 'q')", "1"),
    ("url_extract_parameter('https://x.com/p?q=1&s', 's')", ""),
    ("url_extract_parameter('https://x.com/p?q=1', 'z')", None),
    ("url_extract_parameter('https://x.com/p', 'z')", None),
    ("url_encode('a b&c=~*é/')", "a+b%26c%3D%7E*%C3%A9%2F"),
    ("url_decode('a+b%26%C3%A9')", "a b&é"),
    ("url_decode('%zz')", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("try(url_decode('%zz'))", None),
]
