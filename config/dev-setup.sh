#!/bin/sh
# Writes a private secrets file with a random token for each daemon. Tokens that are already there are kept, unless they
# are too short or an example. No token is ever printed.
# Usage: config/dev-setup.sh [FILE]      default: $HER_OS_SECRETS_FILE, then ~/.her-os/secrets.env
set -eu
file=${1:-${HER_OS_SECRETS_FILE:-$HOME/.her-os/secrets.env}}
example=$(dirname "$0")/her-os-secrets.env.example
made_up='change.?me|example|placeholder|your.?token|your.?key|s3cr3t|password|<.*>|\.\.\.'
umask 077
mkdir -p "$(dirname "$file")"
touch "$file"
chmod 600 "$file"
grep -oE '^[A-Z_]+' "$example" | while read -r name; do
    line=$(grep -E "^$name=.{16,}" "$file" || true)
    if [ -z "$line" ] || printf '%s' "${line#*=}" | grep -qiE "$made_up"; then
        sed -i "/^$name=/d" "$file"
        printf '%s=%s\n' "$name" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >> "$file"
        echo "wrote $name to $file"
    fi
done
