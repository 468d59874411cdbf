#!/bin/bash
# Are the scripts that hand a campaign to a batch system right? Without such systems: what is
# printed is read and checked by a shell, and programs that know the same options stand in for LSF
# and Grid Engine. A real Slurm and a real GNU parallel: tests/cluster.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
quickstart=$top/scenarios/quickstart

# printed ENGINE ARGUMENTS: the scripts, each in a file of its own: shard.sh, collect.sh, submit.sh.
printed() {
    local engine=$1
    shift
    run campaign submit short.json --runs 20 --seed 7 --engine "$engine" --shards 4 --print "$@"
    awk '/^# .*\/(shard|collect|submit)\.sh$/ { sub(".*/", ""); name = $0; next } { print >name }' o
}
has() { # NAME FILE LINE...
    local name=$1 file=$2 line problem=
    shift 2
    for line; do
        grep -qxF -- "$line" "$file" || problem+=" $file has no line: $line;"
    done
    verdict "$name" "$problem"
}
shells() { # NAME: each script can be read by a POSIX shell
    verdict "$1" "$(for file in shard.sh collect.sh submit.sh; do sh -n "$file" 2>&1; done)"
}

# --- what is printed ----------------------------------------------------------------------------

printed slurm -j 2 --option "--partition=long" --out "my results"
expect "scripts for Slurm" 0 'sbatch'
has "a shard is a task of an array" shard.sh '#SBATCH --array=1-4' '#SBATCH --cpus-per-task=2' \
    '#SBATCH --requeue' '#SBATCH --partition=long' \
    "#SBATCH --output=\"$work/my results/submit/shard-%a.log\"" 'shard=${SLURM_ARRAY_TASK_ID:?}' \
    "    --shard \"\$shard/4\" -j 2 --quiet --out '$work/my results'/shard-\"\$shard\""
behind='--dependency="afterany:$shards"'
has "the collector comes behind all of them" submit.sh \
    "collector=\$(sbatch --parsable $behind '$work/my results/submit/collect.sh')"
merge="$(readlink -f "$ioasim") campaign merge '$work/my results'/shard-*"
has "and knows how many runs there must be" collect.sh '#SBATCH --partition=long' \
    "$merge --runs 20 --out '$work/my results'/all \\"
shells "and shells read them"
verdict "nothing is written" "$(ls -d out 'my results' 2>/dev/null)"
printed lsf --wait
has "scripts for LSF" shard.sh '#BSUB -J "ioasim[1-4]"' '#BSUB -r' 'shard=${LSB_JOBINDEX:?}'
has "wait for the collector" submit.sh \
    "bsub -K -w \"ended(\$shards)\" <$work/out/campaign-7/submit/collect.sh || code=\$?"
shells "and shells read them, too"
printed sge --option "-q long"
has "scripts for Grid Engine" shard.sh '#$ -t 1-4' '#$ -r y' '#$ -q long' 'shard=${SGE_TASK_ID:?}'
shells "read by shells"
printed parallel -j 2 --option "--sshlogin a,b"
verdict "what GNU parallel starts" \
    "$(grep -q "^seq 4 | parallel --jobs 50% .* --sshlogin a,b sh .*/shard.sh '{}' ||$" submit.sh ||
        cat submit.sh)"
shells "also a shell"

# The options of the campaign are those of the shards: the script, carried out, is `campaign run`.
for option in '--set run.limit=1ms' '--defect linux.skip_iotlb_invalidation' '--run-timeout 7' \
    '--run-memory 512MiB' '--time 90s'; do
    # shellcheck disable=SC2086
    printed slurm $option
    given=${option/90s/90s} && given=${given/512MiB/536870912B}
    verdict "a shard gets $option" "$(grep -qF -- " $given" shard.sh || cat shard.sh)"
done
printed slurm
SLURM_ARRAY_TASK_ID=2 sh shard.sh >o 2>&1
code=$?
expect "a shard by hand" 0 '5 runs of 1 scenario: 5 passed, 0 failed'

# --- handed over --------------------------------------------------------------------------------

# Stand-ins: they take a script as the real ones do, and carry it out at once.
mkdir bin
cat >bin/bsub <<'END'
#!/bin/bash
cat >job.$$
last=$(sed -n 's/^#BSUB -J "ioasim\[1-\([0-9]*\)\]"$/\1/p' job.$$)
echo "Job <77> is submitted to queue <normal>."
case $* in
*-w*) [[ $* == *'ended(77)'* ]] && exec sh job.$$ ;;
*) for ((i = 1; i <= last; i++)); do LSB_JOBINDEX=$i sh job.$$ >/dev/null; done ;;
esac
END
cat >bin/qsub <<'END'
#!/bin/bash
script=${*: -1}
last=$(sed -n 's/^#\$ -t 1-\([0-9]*\)$/\1/p' "$script")
case $* in
*-hold_jid\ 78*) exec sh "$script" ;;
*-hold_jid*) exit 9 ;;
*)
    echo "78.1-$last:1"
    for ((i = 1; i <= last; i++)); do SGE_TASK_ID=$i sh "$script" >/dev/null; done
    ;;
esac
END
chmod +x bin/*
run campaign run "$quickstart" --runs 30 --seed 5 --out one
for engine in lsf sge; do
    PATH=$work/bin:$PATH run campaign submit "$quickstart" --runs 30 --seed 5 --engine $engine \
        --shards 4 --wait --out $engine
    expect "a campaign through $engine" 0 '30 runs: 30 passed, 0 failed'
    verdict "has the same results" "$(diff -rq one $engine/all 2>&1 | head -n 3)"
done
PATH=$work/bin:$PATH run campaign submit short.json failing.json --runs 6 --engine lsf --shards 2 \
    --wait --out failing
expect "its exit code is the campaign's" 1 '6 runs: 3 passed, 3 failed'
rm -r lsf/shard-3
run campaign merge lsf/shard-* --runs 30
expect "a missing shard is told" 5 '7 not made'
PATH=$work/bin:$PATH run campaign submit "$quickstart" --runs 40 --seed 5 --engine lsf --shards 4 \
    --out lsf
expect "a folder keeps to one campaign" 2 'has the results of another campaign'

# --- what cannot be submitted -------------------------------------------------------------------

PATH=$work/nowhere "$ioasim" campaign submit short.json --engine slurm --shards 2 >o 2>e
code=$?
expect "no Slurm on this machine" 2 'there is no sbatch on this machine'
run campaign submit short.json --engine pbs --shards 2
expect "an engine that is none" 2 'slurm'
run campaign submit short.json --engine slurm
expect "no number of shards" 2 '--shards'
run campaign submit short.json --engine slurm --shards 9 --runs 8 --print
expect "more shards than runs" 2 '9 shards are too many for 8 runs'
run campaign submit short.json --engine sge --shards 2 -j 4 --print
expect "cores of Grid Engine" 2 'parallel environment'
run campaign submit missing.json --engine slurm --shards 2 --print
expect "a scenario that is not there" 2 'missing.json'
run campaign submit short.json --engine slurm --shards 2 --print --option $'--a\n--b'
expect "two lines of options" 2 'is one line'

finish
