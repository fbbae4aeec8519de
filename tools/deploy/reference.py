"""Writes docs/reference.md, the tables of settings, metrics, reason codes and exit codes, from the sources that define them.

    python3 tools/deploy/reference.py            writes the file
    python3 tools/deploy/reference.py --check    fails if the file is not current
"""

import pathlib
import re
import sys
import tomllib

import known_metrics

PAGE = pathlib.Path("docs/reference.md")
SETTINGS = pathlib.Path("config/default.toml")
REASONS = pathlib.Path("crates/domain/src/reason_code.rs")
STATUSES = pathlib.Path("crates/http-api/src/status.rs")
EXITS = pathlib.Path("crates/cli/src/exit_status.rs")
HEAD = """# Reference

The tables of this page are written by `make reference` from the sources that they name. `make check-deploy` fails while
they differ.
"""
# actix-web's names of the statuses that Padan answers.
NUMBERS = {
    "OK": 200, "BAD_REQUEST": 400, "UNAUTHORIZED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TIMEOUT": 408, "PAYLOAD_TOO_LARGE": 413, "UNSUPPORTED_MEDIA_TYPE": 415, "TOO_MANY_REQUESTS": 429,
    "REQUEST_HEADER_FIELDS_TOO_LARGE": 431, "INTERNAL_SERVER_ERROR": 500, "SERVICE_UNAVAILABLE": 503,
}  # fmt: skip


def cell(text):
    return text.replace("|", "\\|")


def first_sentence(comment):
    """The first sentence; a full stop within a number, a name or an abbreviation ends none."""
    found = re.match(r".*?[^.\s]\.(?=\s+[A-Z`\[]|$)", comment)
    return found.group(0) if found else comment


def toml_value(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(one)}" for key, one in value.items()) + " }"
    return str(value)


def settings():
    """Each key of the default settings with its default and the first sentence of the comment above it."""
    lines = SETTINGS.read_text().splitlines()
    values = tomllib.loads(SETTINGS.read_text())
    rows, section, comment = [], "", []
    for line in lines:
        if unset := re.fullmatch(r"# ?([a-z_]+) = .*", line):
            rows.append((f"{section}.{unset.group(1)}", "", first_sentence(" ".join(comment))))
            comment = []
        elif line.startswith("#"):
            comment.append(line.lstrip("# ").strip())
        elif heading := re.fullmatch(r"\[([\w.]+)\]", line):
            section, comment = heading.group(1), []
        elif key := re.match(r"([\w-]+) = ", line):
            value = values
            for part in [*section.split("."), key.group(1)]:
                value = value[part]
            rows.append((f"{section}.{key.group(1)}", toml_value(value), first_sentence(" ".join(comment))))
            comment = []
        elif not line:
            comment = []
    return rows


def metrics():
    source = known_metrics.SOURCE.read_text()
    rows = []
    for name, (kind, labels) in known_metrics.declared_in_source().items():
        documented = re.search(rf'((?:    /// .*\n)+)    \w+: \w+ = "{name}"', source)
        help_text = " ".join(line.strip().removeprefix("/// ") for line in documented.group(1).splitlines())
        rows.append((name, kind, ", ".join(sorted(labels)), help_text))
    return rows


def reasons():
    statuses = {}
    for variants, status in re.findall(r"((?:ReasonCode::\w+[\s|]*)+)=> StatusCode::(\w+)", STATUSES.read_text()):
        statuses.update({variant: NUMBERS[status] for variant in re.findall(r"::(\w+)", variants)})
    entries = re.findall(r'((?:    /// .*\n)+)    (\w+) => "(\w+)", "([^"]*)";', REASONS.read_text())
    return [
        (code, statuses[variant], reason, " ".join(line.strip().removeprefix("/// ") for line in meaning.splitlines()))
        for meaning, variant, code, reason in entries
    ]


def exits():
    """Each exit code, and what it stands for in the commands where it says more."""
    source = EXITS.read_text()
    codes = dict(re.findall(r"Self::(\w+) => (\d+),", source))
    documented = re.findall(r"((?:    /// .*\n)+)    (\w+)(?:\(u8\))?,\n", source)
    meanings = {variant: " ".join(line.strip().removeprefix("/// ") for line in text.splitlines()) for text, variant in documented}
    listed = re.search(r"const BY_COMMAND[^=]*= &\[\n(.*?)\n\];", source, re.DOTALL).group(1)
    entries = re.findall(r'\(\s*"([a-z ]+)",\s*ExitStatus::(\w+),\s*"([^"]*)",?\s*\)', listed)
    if len(entries) != listed.count("ExitStatus::") or {variant for _, variant, _ in entries} - codes.keys():
        sys.exit(f"{EXITS}: an entry of BY_COMMAND is not understood")
    rows = [(code, meanings[variant]) for variant, code in codes.items()] + [("other", meanings["Other"])]
    return rows, [(f"`padan {command}`", codes[variant], meaning) for command, variant, meaning in entries]


def table(heads, rows):
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(cell(str(one)) for one in row) + " |" for row in rows])


def page():
    parts = [
        HEAD.rstrip(),
        "## Settings\n\nFrom [config/default.toml](../config/default.toml), which explains each key in full.",
        table(["key", "default", "what it sets"], [(f"`{k}`", f"`{v}`" if v else "unset", text) for k, v, text in settings()]),
        "## Metrics\n\nFrom `crates/http-api/src/metrics.rs`. The process's own metrics (`process_*`) come beside them.",
        table(["metric", "type", "labels", "what it counts"], [(f"`{n}`", k, la, text) for n, k, la, text in metrics()]),
        "## Reason codes\n\nFrom `crates/domain/src/reason_code.rs`: the header `Reason-Code`, the label of the metrics, and"
        "\nthe column of the audit trail. `reason` is the text in the answer. Where a field is concerned, the answer names it.",
        table(["code", "status", "reason", "meaning"], [(f"`{c}`", s, r, m) for c, s, r, m in reasons()]),
        "## Exit codes\n\nFrom `crates/cli/src/exit_status.rs`. `padan help COMMAND` and the manual pages show those of a command.",
        table(["code", "meaning"], exits()[0]),
        "Where a command says more about a code:",
        table(["command", "code", "meaning"], exits()[1]),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit(f"{PAGE} is not current: run `make reference`")
