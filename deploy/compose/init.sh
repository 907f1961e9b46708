#!/usr/bin/env bash
# Makes a password for each user of the broker, and the key of hashes in redacted text, in
# deploy/compose/.env. What is there stays.
set -euo pipefail
cd "$(dirname "$0")"

umask 077
touch .env
users=$(python3 -c 'import json; print(*json.load(open("../../helm/colloquy/files/services.json")))')
for user in $users; do
  name="COLLOQUY_${user^^}_PASSWORD"
  grep --quiet "^$name=" .env && continue
  # The server reads it as a word of its configuration: it begins with a letter.
  printf '%s=p%s\n' "$name" "$(head --bytes 32 /dev/urandom | od --address-radix n --format x1 | tr -d ' \n')" >>.env
done
grep --quiet '^GRAFANA_PASSWORD=' .env ||
  printf 'GRAFANA_PASSWORD=p%s\n' "$(head --bytes 12 /dev/urandom | od --address-radix n --format x1 | tr -d ' \n')" >>.env
grep --quiet '^COLLOQUY_REDACTION_KEY=' .env ||
  printf 'COLLOQUY_REDACTION_KEY=%s\n' "$(head --bytes 32 /dev/urandom | od --address-radix n --format x1 | tr -d ' \n')" >>.env
echo "init: the passwords and the redaction key are in deploy/compose/.env"
