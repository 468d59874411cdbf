#!/bin/bash
# Is a campaign that GNU parallel carries out the campaign of one process, also when a shard dies?
. "$(dirname "$(readlink -f "$0")")/../cli/lib.sh"
quickstart=$top/scenarios/quickstart

if ! parallel --version 2>/dev/null | grep -q '^GNU parallel'; then
    echo "skipped: no GNU parallel: apt-get install parallel"
    exit 77
fi
export HOME=$work # where it keeps what it knows

same() { # NAME FOLDER FOLDER
    verdict "$1" "$(diff -rq "$2" "$3" 2>&1 | head -n 3)"
}

limit=400
runs=400
campaign=("$quickstart" --runs "$runs" --seed 5)
run campaign run "${campaign[@]}" --out one
expect "a campaign in one process" 0 "$runs passed, 0 failed"
run campaign submit "${campaign[@]}" --engine parallel --shards 5 --out five
expect "in five shards" 0 "$runs runs: $runs passed, 0 failed"
same "has the same results" one five/all

"$ioasim" campaign submit "${campaign[@]}" --engine parallel --shards 3 --out killed >o 2>e &
submission=$!
victim=
for _ in $(seq 300); do
    [ "$(find killed/shard-2 -name '*.json' 2>/dev/null | wc -l)" -ge 10 ] &&
        victim=$(pgrep -f -- "campaign run .*--out $work/killed/shard-2" | head -n 1)
    [ -z "$victim" ] || break
    sleep 0.1
done
problem=
kill -KILL "$victim" || problem="no shard was there"
verdict "a shard is killed" "$problem"
wait "$submission"
code=$?
expect "and carried out again" 0 "$runs runs: $runs passed, 0 failed"
verdict "where it stopped" \
    "$(grep -q ' passed, 0 failed, [1-9][0-9]* known before' killed/submit/shard-2.log ||
        tail -n 1 killed/submit/shard-2.log)"
same "to the same results" one killed/all

run campaign submit short.json failing.json --runs 6 --engine parallel --shards 2 --out bad
expect "a failing run fails the campaign" 1 '6 runs: 3 passed, 3 failed'

# --- on another host ----------------------------------------------------------------------------

# This machine, reached by ssh on its loopback interface.
start_ssh() {
    local port
    mkdir ssh
    ssh-keygen -q -t ed25519 -N '' -f ssh/key
    ssh-keygen -q -t ed25519 -N '' -f ssh/host
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
    cat >ssh/config <<END
Port $port
ListenAddress 127.0.0.1
HostKey $work/ssh/host
AuthorizedKeysFile $work/ssh/key.pub
PidFile $work/ssh/pid
StrictModes no
UsePAM no
PermitRootLogin yes
END
    cat >ssh/login <<END
#!/bin/sh
exec ssh -F none -i $work/ssh/key -p $port -o StrictHostKeyChecking=no \\
    -o UserKnownHostsFile=$work/ssh/known -o LogLevel=ERROR "\$@"
END
    chmod +x ssh/login && mkdir -p /run/sshd && "$(command -v sshd)" -f ssh/config &&
        timeout 20 ssh/login 127.0.0.1 true
}
if command -v sshd >/dev/null && [ "$(id -u)" = 0 ] && start_ssh >ssh.log 2>&1; then
    run campaign submit "${campaign[@]}" --engine parallel --shards 4 --out remote \
        --option "--ssh $work/ssh/login" --option "--sshlogin 2/127.0.0.1"
    expect "on a host that ssh reaches" 0 "$runs runs: $runs passed, 0 failed"
    verdict "where all shards were" \
        "$(awk 'NR > 1 && $2 != "127.0.0.1"' remote/submit/joblog)"
    same "the same results" one remote/all
else
    echo "note: no host by ssh: openssh-server is missing, or does not start"
fi
[ ! -f ssh/pid ] || kill "$(cat ssh/pid)"

finish
