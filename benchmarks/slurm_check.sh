#!/usr/bin/env bash
# Runs a comparison through Slurm on this machine alone: Debian's slurmctld, slurmd and munge, started here as root.
#
#   benchmarks/slurm_check.sh FOLDER     FOLDER is made; needs root on Debian, and calrec with the extra `slurm` on PATH
#
# Pop and RecentPop on ml-100k as two jobs; a second compare reuses both; a third is killed while its job runs, and the
# same command waits for that job; a fourth's job gets the signal of its end and is queued again, for which
# Slurm lets it wait two minutes. The cluster is stopped at the end, munged stays.
set -euo pipefail

folder=$(realpath -m "${1:?give a folder}")
mkdir -p "$folder"
for command in munged slurmctld slurmd sbatch; do
    command -v "$command" >/dev/null || {
        apt-get install -y --no-install-recommends munge slurmctld slurmd slurm-client >"$folder/apt.txt"
        break
    }
done

cat >"$folder/slurm.conf" <<END
ClusterName=alone
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
mkdir -p "$folder/state" "$folder/spool" /run/munge
export SLURM_CONF=$folder/slurm.conf
[ -s /etc/munge/munge.key ] || mungekey --create
chown munge: /run/munge /etc/munge/munge.key
pgrep -x munged >/dev/null || su munge -s /bin/sh -c /usr/sbin/munged
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF"
trap 'kill "$(cat "$folder/slurmd.pid")" "$(cat "$folder/slurmctld.pid")"' EXIT
for _ in $(seq 30); do sinfo --noheader --states=idle 2>/dev/null | grep -q idle && break; sleep 1; done
sinfo

cd "$folder"
slurm=(--launcher=slurm --slurm.time=30 --slurm.cpus_per_task=1)
pair=(calrec compare --dataset=ml-100k --models=Pop,RecentPop --out=results/pair "${slurm[@]}")
small=(--hidden_size=16 --inner_size=16 --n_layers=1 --n_heads=1 --MAX_ITEM_LIST_LENGTH=10)
single=(calrec compare --dataset=ml-100k --models=SASRec --epochs=2 "${small[@]}" --out=results/single "${slurm[@]}")
echo "--- two jobs"
"${pair[@]}"
echo "--- once more"
"${pair[@]}"
echo "--- killed while its job runs"
"${single[@]}" &
parent=$!
until squeue --noheader --states=RUNNING --format=%j | grep -q SASRec; do kill -0 "$parent" && sleep 0.5; done
kill -KILL "$parent"
wait "$parent" || true
squeue
"${single[@]}"
echo "jobs submitted for SASRec: $(grep -l SASRec runs/.compare/output/slurm/*_submission.sh | wc -l)"
echo "--- told that its time ends: queued again, and on where it stood"
long=("${single[@]/epochs=2/epochs=8}" --seeds=7)
"${long[@]}" &
parent=$!
until grep -qs "epoch 1" runs/ml-100k/SASRec/7-*/log.txt; do kill -0 "$parent" && sleep 0.2; done
number=$(squeue --noheader --states=RUNNING --format=%i)
scancel --signal=USR2 "$number"
wait "$parent"
grep -h "Caught signal" "runs/.compare/output/slurm/${number}_0_log.err"
grep -h "resumed at" runs/ml-100k/SASRec/7-*/log.txt
