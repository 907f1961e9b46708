#!/usr/bin/env python3
"""What each service needs at the broker before it starts, from `colloquy contract permissions`.

Prints a JSON object: service -> list of STREAM, or STREAM/CONSUMER for its durable consumers. The
chart waits for them, and makes KEDA's triggers from them.
"""

import json
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        users = json.load(file)
    print("{")
    lines = [f'  "{user["name"]}": {json.dumps(needs(user["permissions"]["publish"]))}' for user in users]
    print(",\n".join(lines))
    print("}")


def needs(publish):
    found = set()
    for subject in publish:
        tokens = subject.split(".")
        if tokens[:4] == ["$JS", "API", "STREAM", "INFO"] and len(tokens) == 5:
            found.add(tokens[4])
        if tokens[:4] == ["$JS", "API", "CONSUMER", "INFO"] and len(tokens) == 6:
            found.add(tokens[4] if tokens[5] == "*" else f"{tokens[4]}/{tokens[5]}")
    return sorted(name for name in found if "*" not in name and ">" not in name)


if __name__ == "__main__":
    main()
