# Builds the tests of C libraries, unmodified, and runs them on green threads. scripts/test-legacy sources this file, which uses
#
#   program     the binary of Tests/LegacyLibraries
#   work        a temporary directory
#
# and the servers of servers.sh. Each test program becomes a shared object, whose main a green thread calls.
#
# shellcheck shell=bash
# shellcheck disable=SC2154  # the script sets them

run_peers() {
    # In memory: waiting for a disk holds the hub.
    memory=$(mktemp --directory "$([[ -w /dev/shm ]] && echo /dev/shm || echo "$work")/tandem-peers.XXXXXX")
    scripts/setup perl
    update_sources "$work/apt"
    run_hiredis_test
    run_libpq_examples
    run_libpq_pipeline
    run_sqlite_tests
}

# hiredis' test program, four at once: each wants a server of its own, which sleeps when told so.
run_hiredis_test() {
    local source number programs=()
    source=$(fetch_source libhiredis-dev)
    for number in {1..4}; do
        start_redis "$work/redis-$number" --enable-debug-command yes
        build_program "hiredis-$number" -I"$source" "$source/test.c" -lhiredis
        programs+=("$memory/hiredis-$number" -h 127.0.0.1 -p "$TANDEM_REDIS_PORT" -s "$TANDEM_REDIS_SOCKET" --skip-throughput --)
    done
    run_programs "hiredis test.c" 500 "${programs[@]}"
}

# The example programs of libpq. The second one waits for four notifications.
run_libpq_examples() {
    local example notifying text
    libpq_source=$(fetch_source libpq-dev)
    text=$libpq_source/src/test/examples/testlo.c
    for example in testlibpq testlibpq2 testlibpq3 testlo; do
        build_program "$example" -I"$(pkg-config --variable=includedir libpq)" "$libpq_source/src/test/examples/$example.c" -lpq
        [[ ! -e $libpq_source/src/test/examples/$example.sql ]] || psql --quiet --file="$libpq_source/src/test/examples/$example.sql"
    done
    (for _ in {1..4}; do
        sleep 0.5
        psql --quiet --command='insert into testlibpq2.tbl1 values (1)'
    done) &
    notifying=$!
    run_programs "libpq testlibpq.c, testlibpq2.c, testlibpq3.c, testlo.c" 500 "$memory/testlibpq" -- "$memory/testlibpq2" -- \
        "$memory/testlibpq3" -- "$memory/testlo" postgres "$text" exported
    wait "$notifying"
    # testlo overwrites a part of the text.
    [[ $(wc --bytes <"$text") == $(wc --bytes <"$memory/exported") ]] || die "testlo exported another large object"
}

# libpq's test of its pipeline mode: all its tests at once, each in a schema of its own. What they send must be as PostgreSQL's
# own run records it. Some loop over select(2) on a descriptor that is ready, and wait for nothing.
run_libpq_pipeline() {
    local source=$libpq_source/src catalog=$libpq_source/generated/catalog version headers test programs=() expected
    version=$(sed -n "s/^PACKAGE_VERSION='\([0-9]*\).*/\1/p" "$libpq_source/configure")
    mkdir --parents "$catalog"
    # The order of the headers is that of the makefile.
    headers=$(sed -n '/^CATALOG_HEADERS/,/[^\\]$/p' "$source/backend/catalog/Makefile" | grep --only-matching 'pg_[a-z_]*\.h')
    # shellcheck disable=SC2086  # one argument per header
    (cd "$source/include/catalog" &&
        perl ../../backend/catalog/genbki.pl --include-path=.. --set-version="$version" --output="$catalog" $headers)
    for test in disallowed_in_pipeline multi_pipelines nosync pipeline_abort pipeline_idle pipelined_insert prepared \
        simple_pipeline singlerow transaction uniqviol; do
        build_program "$test" -D_GNU_SOURCE -DFRONTEND -I"$libpq_source/generated" -I"$source/interfaces/libpq" \
            -I"$(pkg-config --variable=includedir libpq)" -I"$source/include" \
            "$source/test/modules/libpq_pipeline/libpq_pipeline.c" "$source"/common/{fe_memutils,psprintf}.c \
            "$source"/port/{snprintf,strerror}.c -lpq
        psql --quiet --command="create schema $test"
        programs+=("$memory/$test" -r 700 -t "$memory/$test.trace" "$test" "options=-csearch_path=$test" --)
    done
    run_programs "libpq libpq_pipeline.c" 60000 "${programs[@]}"
    for expected in "$source"/test/modules/libpq_pipeline/traces/*.trace; do
        cmp "$expected" "$memory/$(basename "$expected")" || die "libpq_pipeline sent something else"
    done
}

# SQLite's test of several processes: its main program, whose clients are processes. Its test of several threads: the threads are
# green, and few of their calls wait.
run_sqlite_tests() {
    local source test
    source=$(fetch_source libsqlite3-dev)
    build_program mptest -DHAVE_USLEEP "$source/mptest/mptest.c" -lsqlite3
    clang -w -DHAVE_USLEEP -o "$memory/mptest" "$source/mptest/mptest.c" -lsqlite3
    cp "$source"/mptest/*test "$memory"
    build_program threadtest4 -include "$root/Tests/LegacyLibraries/green_pthread.h" "$source/test/threadtest4.c" -lsqlite3
    for test in multiwrite01 config02 crash01; do
        run_programs "SQLite mptest.c $test" 500 "$memory/mptest" test.db --quiet "$test.test"
    done
    run_programs "SQLite threadtest4.c" 60000 "$memory/threadtest4" 10
    run_programs "SQLite threadtest4.c --wal" 60000 "$memory/threadtest4" 10 --wal
}

# run_programs NAME MILLISECONDS PROGRAM...: prints the last line of the output, or all of it if a program fails.
run_programs() {
    if ! (cd "$memory" && timeout 120 "$program" run "${@:2}") >"$work/output" 2>&1 ||
        ! tail --lines=1 "$work/output" | grep --quiet ' returned 0 after '; then
        cat "$work/output" >&2
        die "$1 failed"
    fi
    printf '%s: %s\n' "$1" "$(tail --lines=1 "$work/output")"
}

# build_program NAME OPTION...
build_program() { clang -shared -fPIC -w -o "$memory/$1.so" "${@:2}"; }

# update_sources DIRECTORY: fetches the lists of the system's source packages, which the system itself may not use.
update_sources() {
    mkdir --parents "$1/lists/partial" "$1/cache/archives/partial" "$1/sources"
    local file
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/{debian,ubuntu}.sources; do
        [[ ! -e $file ]] || sed 's/^deb /deb-src /; s/^Types:.*/Types: deb-src/' "$file" >"$1/sources/${file##*/}"
    done
    apt_options=(--option Dir::Etc::sourcelist="$1/sources/sources.list" --option Dir::Etc::sourceparts="$1/sources"
        --option Dir::State::lists="$1/lists" --option Dir::Cache="$1/cache" --option APT::Sandbox::User="$(id --user --name)")
    apt-get "${apt_options[@]}" update --quiet >&2
}

# fetch_source PACKAGE: fetches the source of an installed package as its authors publish it, if possible of the installed version.
# Prints its directory.
fetch_source() {
    local directory=$work/sources/$1 name version installed
    mkdir --parents "$directory/source"
    name=$(dpkg-query --show --showformat='${source:Package}' "$1")
    installed=$(dpkg-query --show --showformat='${source:Version}' "$1")
    for version in "$installed" $(apt-cache "${apt_options[@]}" showsrc "$name" | sed -n 's/^Version: //p' | sort --reverse); do
        (cd "$directory" && apt-get "${apt_options[@]}" source --quiet --tar-only "$name=$version" >&2) && break
    done
    tar --extract --file="$(ls "$directory"/*.orig.tar.*)" --directory="$directory/source" --strip-components=1
    printf '%s\n' "$directory/source"
}
