//! The spawner's own loop: takes requests and forks a supervisor for each.

use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::process::{Resource, Rlimit};

use super::supervisor::{self, Job, Machine};
use super::sys::Forked;
use super::{Errno, Privilege, SandboxSpec, Stdio, cgroup, channel, ids::IdPlan, seccomp, sys};

/// Serves until the main process is gone and the last sandbox has ended.
pub(super) fn serve(control: OwnedFd, privilege: &Privilege) {
    // A Ctrl-C in the terminal is for the main process, which then decides.
    let _ = rustix::process::setsid();
    let _ = rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1));
    let _ = rustix::thread::set_name(c"kapok-spawner");
    let Ok(control) = isolate(control) else { return };
    sys::forget_children();
    // Every layer of a snapshot is an open file for a moment.
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let _ = rustix::process::setrlimit(
        Resource::Nofile,
        Rlimit { current: limit.maximum, maximum: limit.maximum },
    );
    let cgroups = cgroup::Parents::find();
    cgroups.sweep();
    let machine = Machine { ids: IdPlan::new(privilege), filter: seccomp::compile(), cgroups };
    let mut number = 0;
    while let Ok(Some(((), files))) = channel::receive::<()>(&control) {
        number += 1;
        match sys::fork() {
            Ok(Forked::Child) => {
                drop(control);
                supervise(&machine, number, files);
                sys::exit(0)
            }
            // Without a supervisor the reply socket closes here, and the main process sees that.
            Ok(Forked::Parent(_)) | Err(_) => drop(files),
        }
    }
    // Every supervisor has seen the end of the main process, too: by its reply socket.
    while let Ok(Some(_)) = sys::wait_for_any() {}
    machine.cgroups.sweep_own();
}

/// Lets go of every file that the main process had open, above all of its standard streams: who reads them shall see
/// their end when the main process ends.
fn isolate(control: OwnedFd) -> Result<OwnedFd, Errno> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for stream in 0..3 {
        sys::replace_standard_stream(&null, stream)?;
    }
    drop(null);
    sys::keep_only(control)
}

fn supervise(machine: &Machine, number: u64, files: Vec<OwnedFd>) {
    // Also for the command, which inherits it.
    sys::reset_signals();
    let _ = rustix::thread::set_name(c"kapok-sandbox");
    let Ok([request, stdin, stdout, stderr, reply]) = <[OwnedFd; 5]>::try_from(files) else { return };
    let mut bytes = Vec::new();
    if std::fs::File::from(request).read_to_end(&mut bytes).is_err() {
        return;
    }
    let Ok(spec) = postcard::from_bytes::<SandboxSpec>(&bytes) else { return };
    supervisor::run(machine, &Job { number, spec, stdio: Stdio { stdin, stdout, stderr }, reply });
}
