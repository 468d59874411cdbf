#!/bin/bash
# Do the shells complete, and does man show the pages?
. "$(dirname "$(readlink -f "$0")")/../cli/lib.sh"
ln -s "$ioasim" ioasim
PATH=$work:$PATH
mkdir scenarios && cp short.json failing.json scenarios

# gives NAME SHELL LINE WORD...: the line is completed to these words, among others.
gives() {
    local name=$1 shell=$2 line=$3 word problem=
    shift 3
    "in_$shell" "$line" >o 2>e
    for word; do
        grep -qxF -- "$word" o || problem="not $word but: $(head -n 5 o e | tr '\n' ' ')"
    done
    verdict "$shell: $name" "$problem"
}

in_bash() {
    bash --norc -c '
        source <(ioasim completion bash)
        COMP_LINE=$1 COMP_POINT=${#1}
        _ioasim
        printf "%s\n" "${COMPREPLY[@]}"' bash "$1"
}
in_fish() { HOME=$work fish -c 'ioasim completion fish | source; complete -C "$argv[1]"' "$1" |
    cut -f 1; }
# Its line editor works on a terminal only: what would be shown there is kept in a file.
in_zsh() {
    cat >offer.zsh <<'END'
autoload -U compinit && compinit -u -d offers.dump
source <(ioasim completion zsh)
compadd() { print -l -- "${(@P)argv[-1]}" >>offered; }
_describe() { print -l -- "${(@)${(@P)2}%%:*}" >>offered; }
words=("${(z)LINE}") CURRENT=${#words} PREFIX=${words[-1]}
[[ $LINE != *' ' ]] || { words+=(''); CURRENT=${#words}; PREFIX=; }
_ioasim
END
    rm -f offered
    LINE=$1 HOME=$work zsh -f offer.zsh
    cat offered
}

for shell in bash zsh fish; do
    if ! command -v $shell >/dev/null; then
        echo "skipped: no $shell"
        continue
    fi
    gives "verbs" $shell 'ioasim ca' campaign
    gives "verbs below verbs" $shell 'ioasim campaign ' run merge submit
    gives "options" $shell 'ioasim run --no' --no-files --no-checkers
    gives "defects" $shell 'ioasim run x.json --defect vtd.skip_iotlb' vtd.skip_iotlb_invalidation
    gives "parameters" $shell 'ioasim run --set iommu.iotlb.entr' iommu.iotlb.entries=
    gives "files" $shell 'ioasim validate scenarios/s' scenarios/short.json
    gives "folders" $shell 'ioasim validate scen' scenarios/
    gives "values" $shell 'ioasim campaign submit --engine sl' slurm
done
# Words of bash end at '='.
gives "behind an equals sign" bash 'ioasim run --format=j' json

"$ioasim" man --out man/man1 >o
code=$?
expect "pages are written" 0 'pages in man/man1/'
verdict "groff has nothing to say against them" \
    "$(for page in man/man1/*.1; do groff -man -Tutf8 -ww -z "$page" 2>&1; done | head -n 3)"
for page in ioasim ioasim-run ioasim-campaign-submit; do
    if command -v man >/dev/null; then
        verdict "man shows $page" "$(MANPATH=$work/man man $page 2>&1 | grep -q EXAMPLES ||
            MANPATH=$work/man man $page 2>&1 | head -n 3)"
    fi
done
verdict "every verb of the help has a page" \
    "$("$ioasim" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p' |
        while read -r verb; do [ -s "man/man1/ioasim-$verb.1" ] || echo "$verb"; done)"
run man campain
expect "no such page" 2 'ioasim-campaign'
run completion ksh
expect "no such shell" 2 'bash'
run doctor --format json
expect "doctor for programs" 0 '"summary": "ready;'
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$work" && mkdir closed
    (cd closed && setpriv --reuid 65534 --clear-groups "$ioasim" doctor) >o 2>e
    code=$?
    expect "a folder without a place for results is told" 1 'out/ cannot be written'
fi

finish
