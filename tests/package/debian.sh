#!/bin/bash
# Does the Debian package install and run where there is nothing but what it says it needs? In a
# folder that holds the packages of its Depends and theirs, each file from this system, and nothing
# else: no shell, no compiler.
. "$(dirname "$(readlink -f "$0")")/../cli/lib.sh"
build=${build:-$top/build/release}

skip() {
    echo "skipped: $1"
    exit 77
}
[ "$(id -u)" = 0 ] || skip "chroot wants root"
for program in dpkg-deb dpkg-shlibdeps chroot cpack; do
    command -v "$program" >/dev/null || skip "no $program: apt-get install dpkg-dev cmake"
done

# all_of PACKAGES: with what they depend on, as far as it is installed.
all_of() {
    local todo="$*" one known=" "
    while [ -n "$todo" ]; do
        one=${todo%% *}
        todo=${todo#"$one"}
        todo=${todo# }
        [[ $known != *" $one "* ]] || continue
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$one" 2>/dev/null)" = installed ] || continue
        known+="$one "
        todo+=" $(depends_of "$(dpkg-query -W -f '${Depends}, ${Pre-Depends}' "$one")")"
        todo=${todo# }
    done
    echo "$known"
}
# The names in a field of dependencies; of alternatives the first.
depends_of() {
    tr , '\n' <<<"$1" | sed 's/|.*//; s/([^)]*)//; s/:any//; s/ //g' | grep . | tr '\n' ' '
}

(cd "$build" && cpack -G DEB -B "$work/debs") >o 2>e
code=$?
expect "the packages are made" 0 'ioasim_0.1.0'
deb=$(echo "$work"/debs/ioasim_*.deb)
needs=$(depends_of "$(dpkg-deb -f "$deb" Depends)")
verdict "the program needs its libraries and nothing else" \
    "$(for one in $needs; do [[ $one == lib* || $one == zlib1g ]] || echo "$one"; done)"
(cd "$build" && SOURCE_DATE_EPOCH=1 cpack -G DEB -B "$work/again") >/dev/null 2>&1
(cd "$build" && SOURCE_DATE_EPOCH=1 cpack -G DEB -B "$work/debs2") >/dev/null 2>&1
verdict "made twice it is the same" \
    "$(cmp "$work"/again/ioasim_*.deb "$work"/debs2/ioasim_*.deb 2>&1)"

dpkg-deb -x "$work"/debs/ioasim-dev_*.deb dev
cmake -S "$here/../package/consumer" -B configured "-DCMAKE_PREFIX_PATH=$work/dev/usr" >o 2>e
code=$?
expect "the libraries' package is found by CMake" 0 'Generating done'

# --- the clean root -----------------------------------------------------------------------------

root=$work/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/dev" "$root/srv"
for folder in bin sbin lib lib64; do
    mkdir -p "$root/usr/$folder" && ln -s "usr/$folder" "$root/$folder"
done
for package in $(all_of "$needs"); do
    dpkg-query -s "$package" >>"$root/var/lib/dpkg/status"
    echo >>"$root/var/lib/dpkg/status"
    dpkg-query -L "$package" | sort -u | while read -r file; do
        if [ -f "$file" ] || [ -L "$file" ]; then
            mkdir -p "$root$(dirname "$file")"
            [ -e "$root$file" ] || cp -a "$file" "$root$file"
        fi
    done
done
mknod "$root/dev/null" c 1 3 2>/dev/null
verdict "the folder has no shell" "$(ls "$root/bin/sh" "$root/usr/bin/gcc" 2>/dev/null)"
dpkg --root="$root" -i "$deb" >o 2>e
code=$?
expect "the package is installed there" 0 'Setting up ioasim'

inside() { # ARGUMENTS: of the installed program, in the clean root
    timeout 60 chroot "$root" /usr/bin/ioasim "$@" >o 2>e </dev/null
    code=$?
}
inside --version
expect "it starts" 0 'SystemC 2.3'
inside run /usr/share/ioasim/scenarios/quickstart/two_vms.json --out /srv/result
expect "runs an installed scenario" 0 'PASS'
verdict "with results" "$([ -s "$root/srv/result/run.json" ] || ls "$root/srv/result")"
"$ioasim" run "$top/scenarios/quickstart/two_vms.json" --no-files --trace here.jsonl >/dev/null
inside run /usr/share/ioasim/scenarios/quickstart/two_vms.json --no-files --trace /srv/there.jsonl
verdict "and the same trace as here" "$(cmp here.jsonl "$root/srv/there.jsonl" 2>&1)"
inside campaign run /usr/share/ioasim/scenarios/quickstart --runs 20 --out /srv/campaign
expect "and campaigns" 0 '20 passed'
inside doctor
expect "doctor tells what is missing there" 0 'missing  gtkwave'
expect "and how to get it" 0 'apt-get install'
inside validate /usr/share/ioasim/scenarios/quickstart/two_vms.json
expect "the schema is beside the scenarios" 0 ''
dpkg --root="$root" -r ioasim >o 2>e
code=$?
expect "it can be removed" 0 'Removing ioasim'
verdict "without a trace" "$(find "$root/usr" -name '*ioasim*')"

finish
