#!/usr/bin/env bash
# Publish and subscribe with nothing but curl.
#
#   bash examples/curl.sh [--url URL] [--ca FILE] [--topic TOPIC]
set -euo pipefail

url=https://localhost:8080 ca=certs/ca.pem topic=curl
while [ $# -gt 0 ]; do
    case $1 in
        --url) url=$2 ;;
        --ca) ca=$2 ;;
        --topic) topic=$2 ;;
        *) echo "usage: $0 [--url URL] [--ca FILE] [--topic TOPIC]" >&2; exit 2 ;;
    esac
    shift 2
done

c() { curl --silent --show-error --no-progress-meter --fail-with-body --cacert "$ca" "$@"; }

# One message, and then one that comes first.
c --data 'send the bill' "$url/publish/$topic"
c --data 'call back' "$url/publish/$topic?priority=9"

# Many: a line a message. The last line of the answer says how many are stored.
printf '%s\n' one two three | c -X POST -T . "$url/publish/$topic/batch" | tail -n 1

# Take one, and acknowledge it. The body of a message is in base64.
take() { c --data '"INIT 1" "ACK 1"' "$url/subscribe/$topic" | head -n 1; }
for _ in 1 2 3 4 5; do
    take | sed 's/.*"msg":"\([^"]*\)".*/\1/' | base64 --decode
    echo
done

# What is in the topic now; then it goes.
c "$url/topics/$topic" | grep --only-matching '"ready":[0-9]*'
c -X DELETE "$url/$topic"
