"""Hostile input: what attackers, broken clients and honest people with unusual names send.

`HOSTILE` lists (name, value) pairs with distinct values. None of them is a secret by name or form, so whatever is
recorded must give back the exact value (or its beginning and its length).
"""

from typing import Final

Hostile = tuple[str, str | bytes]

GIANT: Final = 200_000  # bytes; beyond every limit


def _codes(prefix: str, template: str, codes: list[int]) -> list[Hostile]:
    return [(f"{prefix} U+{code:04X}", template.format(chr(code))) for code in codes]


def _named(prefix: str, values: list[str | bytes]) -> list[Hostile]:
    return [(f"{prefix} {number}", value) for number, value in enumerate(values, 1)]


_CONTROLS: Final = _codes("C0 control", "a{}b", [*range(0x20), 0x7F]) + _codes(
    "C1 control", "a{}b", [*range(0x80, 0xA0)]
)

_DIRECTIONS: Final = _codes(
    "bidirectional control", "user{}nimda", [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)

_INVISIBLE: Final = _codes(
    "invisible character",
    "ad{}min",
    [0x00AD, 0x034F, 0x115F, 0x1160, 0x17B4, 0x180E, 0x200B, 0x200C, 0x200D, 0x2060, 0x2061, 0x2064, 0x206A, 0x206F,
     0x2800, 0x3164, 0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF9, 0xFFFB, 0xE0001, 0xE0041, 0xE007F, 0xE0100, 0x1D173],
)  # fmt: skip

_SPACES: Final = _codes(
    "space", "a{}b", [0x20, 0xA0, 0x1680, 0x2000, 0x2003, 0x2009, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
)

_NONCHARACTERS: Final = _codes(
    "noncharacter",
    "a{}b",
    [0xFDD0, 0xFDEF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF, 0xE000, 0xF8FF, 0xF0000, 0x10FFFD, 0xFFFD],
)

_SURROGATES: Final = [
    *_codes("lone surrogate", "a{}b", [0xD800, 0xDBFF, 0xDC00, 0xDC80, 0xDCFF, 0xDFFF]),
    *_named("surrogates", ["\ud83d\ude00", "\ude00\ud83d", "\ud800\ud800", "\udcff\udcfe", "é\udce9", "\ud800" * 50]),
]

_NOT_UTF8: Final = _named(
    "invalid UTF-8",
    [
        b"\x80", b"\xbf", b"\xff", b"\xfe", b"\xfe\xff", b"\xff\xfe", b"\xc0", b"\xc1", b"\xf5",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80", b"a\xe9b", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xe2(\xa1", b"\xe2\x82(",
        b"\xf0\x9f\x98", b"\xf0(\x8c\xbc", b"\xf0\x90(\xbc", b"\xf4\x90\x80\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf",
        b"\xed\xa0\xbd\xed\xb8\x80", b"\x80\x80\x80\x80", b"\xe2\x82\xac\xe2", b"\xff\x00\xff", b"\\\xff", b"\xff\\",
        bytes(range(256)), bytes(range(255, 127, -1)), b"na\xefve caf\xe9", b"\xa4\xb3\xa4\xf3", b"\x83e\x83X\x83g",
    ],
)  # fmt: skip

_OVERLONG: Final = _named(
    "overlong UTF-8",
    [
        b"\xc0\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc0\xae\xc0\xae\xc0\xaf", b"\xc1\xbf",
        b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xc0\x8a", b"\xc1\x9c",
    ],
)  # fmt: skip

_ESCAPES: Final = _named(
    "text that looks escaped",
    [
        "\\", "\\\\", "\\\\\\", "\\x00", "\\\\x00", "\\u0000", "\\u202E", "\\uD800", "\\n", "\\r\\n", "\\0", "\\'",
        '\\"',
        "\\[cut 5]", "\\\\[cut 5]", "[cut 5]", "a\\[cut 1000000]", "\\[too deep]", "\\[2]", "\\xff", "\\xFF", "\\x",
        "\\u12",
        "\\N{NULL}", "&#0;", "&#x202e;", "\\u{0}", "\\U0001F600", "^@", "\\e[31m", "C:\\new\\table\\x41\\u0041",
        b"\\x80",
        "[redacted", "(redacted)", "\\[redacted]",
    ],
)  # fmt: skip

_LINES: Final = _named(
    "line break",
    [
        "a\r\nb", "line\nbreak", "carriage\rreturn", "a\n\rb", "\r\n\r\n", "\n" * 40, "a\x0bb\x0cc",
        "a\x85b\u2028c\u2029d",
        "GET / HTTP/1.1\r\nHost= evil\r\n\r\n", "x\r\nX-Injected= 1", "x\r\nContent-Length= 0\r\n\r\nHTTP/1.1 200 OK",
        "ok\n2026-11-23 12.00.00 INFO admin logged in", "ok\x0a{\"v\" 1}", "%0d%0aX-Injected%3B1",
        "%E5%98%8A%E5%98%8Dheader",
        "\u560a\u560dinjected", "a\x1eb\x1fc", "a\r", "\na", "a\n", "\t\t", "a\tb\tc",
    ],
)  # fmt: skip

_TERMINAL: Final = _named(
    "terminal escape",
    [
        "\x1b[31mred\x1b[0m", "\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]8;;http//evil\x1b\\link\x1b]8;;\x1b\\",
        "\x1b[6n",
        "\x1b[1A\x1b[2K", "\x9b31mred", "\x1bP0;0|17/ab\x9c", "\x1b[?1049h", "\x1b[8mhidden\x1b[28m",
        "\x1b[200~paste\x1b[201~",
        "\x1bc", "\x08\x08\x08\x08root", "\x07\x07", "\x1b[10;10Hhere", "\x1b]52;c;ZWNobyBoaQ\x07", "\x0e\x0f",
        "\x1b(0lqqk",
    ],
)  # fmt: skip

_SCRIPTS: Final = _named(
    "script",
    [
        "مرحبا بالعالم", "שלום עולם", "Ünïcödé", "日本語テキスト", "한국어", "Ελληνικά", "Русский", "हिन्दी",
        "ไทย", "தமிழ்",
        "ﷺ", "e\u0301", "\u0301e", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘", "a" + "\u0300" * 500,
        "ﬁﬂ", "ẞß", "İıIi", "ǅ",
        "Å", "\u212b", "A\u030a", "Ⅷ", "①②③", "٣٤٥", "１２３", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "𝕬𝖉𝖒𝖎𝖓", "ᴬᴰᴹᴵᴺ", "ＡＤＭＩＮ",
        "аdmin", "аdmіn",
        "раураl", "gооgle",
        "Ꭺdmin", "admin\u0307", "I\u0307", "O\u02bcNeill", "O'Neill", "O’Neill", "Nuñez", "Þórður", "Łukasz", "Đặng",
        "null", "NULL",
        "None", "undefined", "nil", "true", "NaN", "Infinity", "-Infinity", "0", "-0", "1e400", "1e-400", "0x7fffffff",
        "00",
        "1_000", "١", "½", "9007199254740993", "-9007199254740993", "18446744073709551616", "1" + "0" * 400, "3.14",
        ".5", "1.",
    ],
)  # fmt: skip

_EMOJI: Final = _named(
    "emoji",
    [
        "😀", "👨‍👩‍👧‍👦", "👍🏽", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇩🇪", "❤️", "☃", "1️⃣", "🏳️‍🌈", "👩🏿‍🚀", "🫠", "𐍈", "𠜎", "🀄", "😀" * 1000,
    ],
)  # fmt: skip

_SQL: Final = _named(
    "SQL",
    [
        "' OR '1'='1", "'; DROP TABLE audit_records; --", "1; DELETE FROM audit_records", "admin'--", "\" OR \"\"=\"",
        "') OR ('1'='1",
        "1 UNION SELECT NULL, version()", "'; EXEC xp_cmdshell('dir'); --", "$$; DROP SCHEMA public CASCADE; $$",
        "%' AND 1=0 --",
        "1/**/OR/**/1=1", "\\'; SELECT 1; --", "' || pg_sleep(10) || '", "0x27 OR 1=1", "ʼ OR 1=1", "＇ OR 1=1",
        "\xbf' OR 1=1", "%s",
        "$1", "?", "@p1", "%(id)s", "{0}", "'\x00 OR 1=1", "COPY audit_records FROM PROGRAM 'id'", "\\copy x", "\\.",
        "\\N", "_%_%",
        "jsonb '{}'", "E'\\000'", "U&'\\0000'",
    ],
)  # fmt: skip

_MARKUP: Final = _named(
    "markup",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg/onload=alert(1)>",
        "javascript&colon;alert(1)",
        "<!--", "-->", "<![CDATA[x]]>", "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file'>]><x>&e;</x>",
        "&lt;b&gt;", "&amp;",
        "</textarea>", "</title><script>1</script>", "<iframe srcdoc='x'>", "<b\x00>x</b>", "<\u0131mg>", "＜script＞",
        "[x](y)", "`x`",
        "**bold**", "| a | b |", "<a href=//evil>x</a>", "'\"><", "]]>", "<style>*{}</style>",
        "<details open ontoggle=alert(1)>",
    ],
)  # fmt: skip

_TEMPLATES: Final = _named(
    "template",
    [
        "{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{% raw %}", "{{config}}", "${jndi ldap//x/a}", "${${lower j}ndi}",
        "${env.HOME}",
        "$(id)", "{{''.__class__.__mro__}}", "{0.__class__}", "{self}", "{{", "}}", "{}{}", "{!r}", "{0!r:>1000000}",
        "*{T(java.lang.Runtime)}", "@(1+1)", "[[${7*7}]]", "{php}1{/php}", "=cmd|' /C calc'!A0", "+1+1", "-1+1",
        "@SUM(1,1)", "\t=1+1",
        "=HYPERLINK(\"x\")", ";=1", "%n%n%n", "%s%s%s", "%p", "%1000000d", "%%", "%c%99999999d",
    ],
)  # fmt: skip

_PATHS: Final = _named(
    "path",
    [
        "../../etc/hosts", "..\\..\\windows\\win.ini", "....//....//etc", "/etc/hosts\x00.png", "%2e%2e%2f",
        "%252e%252e%252f",
        "..%c0%af", "file///etc/hosts", "\\\\host\\share", "C:\\boot.ini", "CON", "NUL", "aux.txt",
        "/proc/self/environ", "~root", "/" * 300,
        "a/" * 500, ".", "..", "...", "/./../.", "//evil/x", "\\\\?\\C:\\", "two  blanks", "a+b", "a%20b", "%00", "%ff",
        "%u0000", "%", "%zz", "%1",
        "?a&b&&&c", "#frag", "a;b;c", "*", "-rf", "--help", "; id", "| id", "`id`", "&& id", "> /dev/null", "$IFS",
        "!ls", "() { :;}; id",
    ],
)  # fmt: skip

_JSON: Final = _named(
    "JSON",
    [
        "{", "[" * 1000, "{\"a\" 1}", "{\"a\":1,\"a\":2}", "[NaN]", "[Infinity,-Infinity]", "[1e400]",
        "[" + "1" * 400 + "]", "\"", "\"\\u0000\"",
        "\"\\ud800\"", "[1,]", "{\"__proto__\":{\"x\":1}}", "[" * 100_000 + "]" * 100_000,
        "{\"a\":" * 5000 + "1" + "}" * 5000, "\ufeff{}",
        "{}\n{}", "\x1e{}", "'single'", "/* c */ {}", "{a:1}", "[1 2]", "[00]", "[\"\t\"]", "[\"\\q\"]", "nul", "tru",
        "-", "[-]", "}", "]", ",", ":",
        b"[\"\xff\"]", b"\xff\xfe{\x00}\x00", "{\"\":0}", "{\"\\u0061\":0}", "[" + "0," * 2000 + "0]",
    ],
)  # fmt: skip

_SMUGGLING: Final = _named(
    "request smuggling",
    [
        "0\r\n\r\nGET /x HTTP/1.1", "chunked, identity", "\x0bchunked", "chunked\x00", "5;ext\r\nhello", "1e1000\r\n",
        "-1", "+5", "0x5",
        "1, 2", "gzip, gzip, gzip", "\t", " ", "", "HTTP/9.9", "GET", "\x00", "\x00" * 1000, "a" * 300, "--boundary--",
        "\r\n--boundary\r\n",
    ],
)  # fmt: skip

_GIANTS: Final[list[Hostile]] = [
    ("200,000 bytes of a", "a" * GIANT),
    ("200,000 bytes of NUL", b"\x00" * GIANT),
    ("200,000 bytes of backslashes", "\\" * GIANT),
    ("200,000 bytes of invalid bytes", b"\xff" * GIANT),
    ("200,000 bytes of line breaks", "\n" * GIANT),
    ("200,000 bytes of overrides", "\u202e" * (GIANT // 3)),
    ("200,000 bytes of emoji", "😀" * (GIANT // 4)),
    ("200,000 bytes of combining marks", "e" + "\u0301" * (GIANT // 2)),
    ("200,000 bytes of words", "lorem ipsum " * (GIANT // 12)),
]

HOSTILE: Final[list[Hostile]] = [
    *_CONTROLS, *_DIRECTIONS, *_INVISIBLE, *_SPACES, *_NONCHARACTERS, *_SURROGATES, *_NOT_UTF8, *_OVERLONG, *_ESCAPES,
    *_LINES,
    *_TERMINAL, *_SCRIPTS, *_EMOJI, *_SQL, *_MARKUP, *_TEMPLATES, *_PATHS, *_JSON, *_SMUGGLING, *_GIANTS,
]  # fmt: skip


def as_bytes(value: str | bytes) -> bytes:
    """Return what stands on the wire for a value: a str as UTF-8, its lone surrogates passed through."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
