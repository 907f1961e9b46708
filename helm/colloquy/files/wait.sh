#!/bin/bash
# Waits until the broker has what a service needs, ten minutes at most.
#
#   wait.sh HOST:PORT ACCOUNT {STREAM | STREAM/CONSUMER}...
#
# Asks the monitoring endpoint of every server behind the host's name, because a server knows what
# it has a copy of itself.
set -u

endpoint=$1
account=$2
shift 2
host=${endpoint%:*}
port=${endpoint##*:}
limit=600

# The answer to a GET of a path from a server, without spaces.
get() { # ADDRESS PATH
  local answer
  # shellcheck disable=SC2016  # the inner shell expands them
  answer=$(timeout 5 bash -c '
    exec 3<>"/dev/tcp/$0/$1" || exit 1
    printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$2" "$3" >&3
    cat <&3' "$1" "$port" "$2" "$host" 2>/dev/null) || return 1
  [[ $answer == HTTP/1.?\ 200\ * ]] || return 1
  tr -d ' \t\r\n' <<<"$answer"
}

addresses() {
  getent ahosts "$host" | awk '{print $1}' | sort -u
}

missing() { # WHAT EVERYTHING
  local what=$1 all=$2
  case $what in
    */*) [[ $all != *"\"stream_name\":\"${what%/*}\",\"name\":\"${what#*/}\""* ]] ;;
    *) [[ $all != *"{\"name\":\"$what\",\"created\""* ]] ;;
  esac
}

while ((SECONDS < limit)); do
  known='' waiting_for=''
  for address in $(addresses); do
    known+=$(get "$address" "/jsz?acc=${account//\$/%24}&consumers=true&streams=true")
  done
  for what in "$@"; do
    if missing "$what" "$known"; then
      waiting_for=$what
      break
    fi
  done
  if [[ -z $waiting_for ]]; then
    echo "the broker has what is needed"
    exit 0
  fi
  # Said now and then, not each time.
  ((SECONDS % 30 > 2)) || echo "waiting for $waiting_for at $endpoint"
  sleep 2
done
echo "$waiting_for is not there after $limit s; is the bootstrap Job done?" >&2
exit 1
