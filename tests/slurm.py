"""A throw-away SLURM cluster on this machine: its own munge, controller and nodes with a fake GPU each, on loopback only."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")

CONFIGURATION = """
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
ReturnToService=2
MinJobAge=3600
KillWait=5
SlurmdTimeout=10
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
"""


def missing_programs():
    """The programs of SLURM that this machine lacks."""
    return [name for name in PROGRAMS if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]


class Cluster:
    """Starts with the nodes ``node1``, ``node2`` …, 4 CPUs and a GPU each, and the partitions ``gpu`` and ``urgent``.

    In the partition ``tight`` a job gets no more than so many MB.
    """

    def __init__(self, nodes=2, *, tight):
        self.tight = tight
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)  # munged refuses a socket below a folder that others cannot enter
        self.nodes = [f"node{number + 1}" for number in range(nodes)]
        self.environment = os.environ | {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
        }
        for name in list(self.environment):
            if name.startswith("SLURM_") and name != "SLURM_CONF":
                del self.environment[name]
        self._configure()
        try:
            self.start_daemons()
        except BaseException:
            self.close()
            raise

    def _configure(self):
        for name in ("munge", "state", "log", "bin", *(f"spool/{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        host, ports = socket.gethostname().split(".")[0], free_ports(len(self.nodes) + 1)
        lines = [CONFIGURATION.format(host=host, port=ports[0], user=getpass.getuser(), folder=self.folder)]
        for node, port in zip(self.nodes, ports[1:], strict=True):
            about = f"NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=16000 Gres=gpu:1"
            lines.append(f"NodeName={node} {about}")
        lines.append("PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1")
        lines.append(f"PartitionName=tight Nodes=ALL MaxMemPerNode={self.tight} MaxTime=INFINITE State=UP PriorityTier=1")
        lines.append("PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10")
        (self.folder / "slurm.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        self._program("srun", f'SLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"')
        # Snakemake's plugin asks sacct while the controller is away; there is no accounting here, so the queue answers.
        name = 'while [ $# -gt 0 ]; do [ "$1" = --name ] && name="$2"; shift; done'
        self._program("sacct", f"{name}; exec squeue --format='%i|%T' --states=all --noheader --name \"$name\"")

    def _program(self, name, text):
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def start_daemons(self):
        munge = self.folder / "munge"
        files = [f"--{name.replace('_', '-')}={munge / name.split('_')[0]}" for name in ("key_file", "pid_file", "log_file")]
        self.run("munged", *files, f"--socket={munge / 'sock'}", f"--seed-file={munge / 'seed'}")
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.wait(lambda: self.output("sinfo", "-h", "-p", "gpu", "-N", "-o", "%T").split() == ["idle"] * len(self.nodes), 30)

    def start_controller(self):
        self.run("slurmctld")

    def start_node(self, node):
        self.run("slurmd", "-N", node)

    def run(self, *command):
        """Run a program of SLURM; its output goes to a file, as a daemon would never close a pipe."""
        with (self.folder / "log" / "output").open("a") as log:
            subprocess.run(command, env=self.environment, stdout=log, stderr=log, check=True, timeout=60)

    def output(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60).stdout

    def jobs(self, states="all", form="%i %T %k"):
        """Lines of the queue."""
        return self.output("squeue", "-h", f"--states={states}", "-o", form).splitlines()

    def wait(self, condition, seconds):
        """Wait until the condition is met, and return what it gave."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.2)
        raise TimeoutError(f"not so after {seconds} s; the queue: {self.jobs()}")

    def processes(self):
        """Numbers of the processes of this cluster, known by their environment."""
        mine = set()
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if str(self.folder).encode() in environment.read_bytes():
                    mine.add(int(environment.parent.name))
        return mine - {os.getpid()}

    def kill_node(self, node):
        """Kill a node's daemon and everything that runs there, as a power cut does."""
        daemon = int((self.folder / f"slurmd-{node}.pid").read_text())
        mine = {daemon}
        for number in self.processes():
            with suppress(OSError):
                if f"SLURMD_NODENAME={node}".encode() in Path(f"/proc/{number}/environ").read_bytes():
                    mine |= {number}
        command = "slurmstepd"
        for status in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                number = int(status.parent.name)
                if command in status.read_text() and with_descendants(number) & mine:
                    mine.add(number)
        for number in mine:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def stop_controller(self):
        self._end("slurmctld.pid", signal.SIGTERM)

    def _end(self, name, number):
        with suppress(OSError, ValueError):
            daemon = int((self.folder / name).read_text())
            os.kill(daemon, number)
            end = time.monotonic() + 20
            while time.monotonic() < end and Path(f"/proc/{daemon}").exists():
                time.sleep(0.05)

    def close(self):
        """End every job, then every daemon by its number."""
        with suppress(subprocess.SubprocessError, OSError, TimeoutError):
            self.output("scancel", "--user", getpass.getuser())
            self.wait(lambda: not self.jobs("pending,running,completing"), 20)
        for node in self.nodes:
            self._end(f"slurmd-{node}.pid", signal.SIGTERM)
        self._end("slurmctld.pid", signal.SIGTERM)
        self._end("munge/pid", signal.SIGTERM)
        left = self.processes()
        for number in left:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def with_descendants(process):
    """Return the numbers of a process and of all that it started, directly or not."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found, last = {process}, set()
    while found != last:
        last = set(found)
        found |= {number for number, parent in parents.items() if parent in found}
    return found


def free_ports(count):
    """Return ports that nothing listens on."""
    with_ports = [socket.socket() for _ in range(count)]
    try:
        for one in with_ports:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in with_ports]
    finally:
        for one in with_ports:
            one.close()
