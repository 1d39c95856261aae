# Starts database servers for a test, and ends them. A script sources this file after common.sh:
#
#   source "$root/scripts/lib/servers.sh"
#   trap stop_servers EXIT
#   scripts/setup "${server_packages[@]}"
#   start_redis "$work/redis"
#
# A start function creates its DIRECTORY, which holds all that the server writes, and returns once the server answers, or ends the
# script after 60 s. The servers listen on 127.0.0.1 and on a unix socket in DIRECTORY, store nothing durably, and run as the user
# of the script, or as "nobody" for root. They end with the script, however it ends.
#
# shellcheck shell=bash

# None of these packages starts a service: redis-tools contains redis-server under another name, and scripts/setup keeps postgresql
# from creating a database of its own.
# shellcheck disable=SC2034  # the scripts read it
server_packages=(postgresql redis-tools mariadb-server-core)
declare -A server_signals=()

# start_postgresql DIRECTORY: sets PGHOST, PGPORT, PGUSER and PGDATABASE, and TANDEM_PG_SOCKET, the directory of the socket.
start_postgresql() {
    local directory=$1 programs
    programs=$(find /usr/lib/postgresql/*/bin -name initdb -printf '%h\n' 2>/dev/null | sort --version-sort | tail --lines=1)
    [[ $programs ]] || programs=$(dirname "$(command -v initdb)")
    prepare_directory "$directory"
    export PGHOST=127.0.0.1 PGUSER=tandem PGDATABASE=postgres TANDEM_PG_SOCKET=$directory PGPORT
    PGPORT=$(free_port)
    (server_command "$directory" INT "$programs/initdb" --pgdata=data --username=tandem --auth=trust --encoding=UTF8 \
        --locale=C --no-sync) &>"$directory/log" || { tail "$directory/log" >&2; die "initdb failed"; }
    start_server "$directory" INT "$programs/postgres" -D data -k "$directory" -h 127.0.0.1 -p "$PGPORT" -c max_connections=150 \
        -c fsync=off -c synchronous_commit=off -c full_page_writes=off
    await_server "$directory" "$programs/pg_isready" --quiet --timeout=1
}

# start_redis DIRECTORY [OPTION]...: sets TANDEM_REDIS_PORT and TANDEM_REDIS_SOCKET. The options go to the server.
start_redis() {
    local directory=$1
    prepare_directory "$directory"
    export TANDEM_REDIS_SOCKET=$directory/socket TANDEM_REDIS_PORT
    TANDEM_REDIS_PORT=$(free_port)
    # The program goes by the name under which it is called.
    ln --symbolic "$(command -v redis-server || command -v redis-check-rdb)" "$directory/redis-server"
    start_server "$directory" TERM ./redis-server --bind 127.0.0.1 --port "$TANDEM_REDIS_PORT" \
        --unixsocket "$TANDEM_REDIS_SOCKET" --unixsocketperm 777 --save '' --appendonly no "${@:2}"
    await_server "$directory" redis_answers
}

redis_answers() { [[ $(redis-cli -s "$TANDEM_REDIS_SOCKET" ping) == PONG ]]; }

# start_mariadb DIRECTORY: sets TANDEM_MARIADB_PORT and TANDEM_MARIADB_SOCKET. Any user, for example "tandem", may do anything
# without a password.
start_mariadb() {
    local directory=$1
    prepare_directory "$directory"
    export TANDEM_MARIADB_SOCKET=$directory/socket TANDEM_MARIADB_PORT
    TANDEM_MARIADB_PORT=$(free_port)
    start_server "$directory" TERM "$(PATH=$PATH:/usr/sbin command -v mariadbd)" --no-defaults --datadir="$directory" \
        --skip-grant-tables --bind-address=127.0.0.1 --port="$TANDEM_MARIADB_PORT" --socket="$TANDEM_MARIADB_SOCKET" \
        --pid-file="$directory/pid" --max-connections=200 --innodb-flush-log-at-trx-commit=0
    await_server "$directory" mariadb_answers
}

# The server greets who connects.
mariadb_answers() { [[ $(timeout 1 head --bytes=20 <"/dev/tcp/127.0.0.1/$TANDEM_MARIADB_PORT" | tr --delete '\0') ]]; }

# stop_servers: ends all servers, those that do not end within 10 s by SIGKILL.
stop_servers() {
    local process tries
    for process in "${!server_signals[@]}"; do kill "-${server_signals[$process]}" "$process" 2>/dev/null || true; done
    for process in "${!server_signals[@]}"; do
        for ((tries = 0; tries < 100; tries++)); do
            kill -0 "$process" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
        unset "server_signals[$process]"
    done
}

# The functions below are only for the ones above.

# free_port: prints a port of 127.0.0.1 that nobody listens on, below those that the kernel hands out.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    printf '%s\n' "$port"
}

prepare_directory() {
    mkdir --parents "$1"
    ((EUID != 0)) || { chown 65534:65534 "$1" && chmod o+x "$(dirname "$1")"; }
}

# server_command DIRECTORY SIGNAL COMMAND...: becomes the command, in the directory and as an account that is not root. It gets the
# signal when the script ends.
server_command() {
    local account=()
    ((EUID != 0)) || account=(--reuid=65534 --regid=65534 --clear-groups)
    cd "$1" && TMPDIR=$1 exec setpriv --pdeathsig "$2" "${account[@]}" -- "${@:3}"
}

start_server() {
    server_command "$@" >>"$1/log" 2>&1 </dev/null &
    server_signals[$!]=$2
}

# await_server DIRECTORY COMMAND...: waits until the command succeeds.
await_server() {
    local process=$! end=$((SECONDS + 60))
    until "${@:2}" &>/dev/null; do
        if ((SECONDS >= end)) || ! kill -0 "$process" 2>/dev/null; then
            tail --lines=30 "$1/log" >&2
            die "the server in $1 does not answer"
        fi
        sleep 0.1
    done
}
