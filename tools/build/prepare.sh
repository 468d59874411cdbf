# Read by tools/run and tools/test (POSIX sh): packages, configuration, build. `top` is the root of
# the project and `tool` the name in messages. Everything goes to stderr: stdout is for results.

say() {
    printf '%s: %s\n' "$tool" "$1" >&2
}

# require_packages GROUP...: installs what is missing, or says how to.
require_packages() {
    command -v dpkg-query >/dev/null 2>&1 || return 0 # another system: cmake names what it lacks
    packages=
    for group in "$@"; do
        packages="$packages $(awk -v group="$group" '$1 == group { print $2 }' \
            "$top/tools/packages.txt")"
    done
    # shellcheck disable=SC2086
    present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2>/dev/null |
        awk '$1 == "installed" { print $2 }')
    missing=
    for package in $packages; do
        case "
$present
" in
        *"
$package
"*) ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        say "packages are missing; type this, then try again:"
        printf '    sudo apt-get update && sudo apt-get install -y --no-install-recommends%s\n' \
            "$missing" >&2
        exit 2
    fi
    say "installing$missing"
    install_log=$(mktemp)
    # shellcheck disable=SC2086
    if ! { DEBIAN_FRONTEND=noninteractive apt-get update &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } \
        >"$install_log" 2>&1 </dev/null; then
        cat "$install_log" >&2
        rm -f "$install_log"
        say "could not install$missing"
        exit 3
    fi
    rm -f "$install_log"
}

# want_packages GROUP: what is missing is installed where that can be; what cannot be had is told,
# and the suites that need it skip their cases.
want_packages() {
    (require_packages "$1" 2>/dev/null) && return 0
    for package in $(awk -v group="$1" '$1 == group { print $2 }' "$top/tools/packages.txt"); do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
                "$package" >/dev/null 2>&1 </dev/null || say "without $package"
    done
}

# build_into FOLDER "CMAKE OPTIONS" TARGET...: configures once, builds with all cores, one at a time
# a folder. Quiet, unless it fails.
build_into() {
    folder=$1
    options=$2
    shift 2
    mkdir -p "$folder" 2>/dev/null
    if ! [ -w "$folder" ] || { [ -e "$folder/.lock" ] && ! [ -w "$folder/.lock" ]; }; then
        say "may not write into $folder: build it as its owner, or clone the project for yourself"
        [ ! -x "$folder/ioasim" ] ||
            say "what is built there runs without this script: $folder/ioasim"
        exit 3
    fi
    exec 9>"$folder/.lock"
    ! command -v flock >/dev/null 2>&1 || flock 9
    log="$folder/build.log"
    : >"$log"
    # A folder configured for a tree that has moved since cannot be used again.
    if [ -f "$folder/CMakeCache.txt" ] &&
        ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$top" "$folder/CMakeCache.txt"; then
        rm -rf "$folder/CMakeCache.txt" "$folder/CMakeFiles" "$folder/build.ninja" \
            "$folder/include-of"
    fi
    if [ ! -f "$folder/build.ninja" ]; then
        say "first build into ${folder#"$top"/}, this takes minutes"
        # shellcheck disable=SC2086
        cmake -S "$top" -B "$folder" -G Ninja $options >>"$log" 2>&1 9>&- || build_failed
    fi
    ninja -C "$folder" "$@" >>"$log" 2>&1 9>&- || build_failed
    exec 9>&-
}

build_failed() {
    cat "$log" >&2
    say "the build failed"
    exit 3
}

# Warnings are errors with the compiler that the project is kept clean for.
release_options() {
    printf '%s' "-DCMAKE_BUILD_TYPE=Release"
    case $(g++ -dumpversion 2>/dev/null) in
    12 | 12.*) printf ' %s' "-DIOASIM_WERROR=ON" ;;
    esac
}
