//! Sandboxes with real processes. The spawner has to be forked before the first thread, so this has a `main` of its own.
mod rootfs;
use build::sandbox::*;
use std::os::fd::OwnedFd;
fn main() {
    let spawner = Spawner::start(Privilege::Root).unwrap();
    let dir = tempfile::tempdir_in(".").unwrap();
    let base = dir.path().canonicalize().unwrap();
    let root = base.join("root");
    rootfs::make(&root);
    let n: usize = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(1);
    let script = std::env::args().nth(1).unwrap_or_default();
    let mut best = std::time::Duration::MAX;
    let mut all = std::time::Duration::ZERO;
    for i in 0..n {
        let w = base.join(format!("w{i}"));
        std::fs::create_dir_all(w.join("upper")).unwrap();
        std::fs::create_dir_all(w.join("work")).unwrap();
        let spec = SandboxSpec {
            layers: vec![root.clone()],
            upper: w.join("upper"),
            work: w.join("work"),
            read_only: false,
            mounts: vec![],
            args: vec!["sh".into(), "-c".into(), script.clone().into()],
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            cwd: "/".into(),
            user: Ids::default(),
            network: Network::None,
            security: Security::Sandbox,
            limits: Limits::default(),
            hostname: "kapok".into(),
            hosts: vec![],
            resolv_conf: Some(b"nameserver 1.2.3.4\n".to_vec()),
            terminal: false,
            timeout: None,
            looks_like_chroot: false,
        };
        let dup = |fd: &dyn std::os::fd::AsFd| fd.as_fd().try_clone_to_owned().unwrap();
        let t = std::time::Instant::now();
        let o = spawner.run(
            &spec,
            Stdio {
                stdin: OwnedFd::from(std::fs::File::open("/dev/null").unwrap()),
                stdout: dup(&std::io::stdout()),
                stderr: dup(&std::io::stderr()),
            },
        );
        let e = t.elapsed();
        best = best.min(e);
        all += e;
        if n == 1 {
            println!("{o:#?} {:?}", e);
        }
        if i == 0 {
            if let Err(e) = &o {
                println!("{e} {:?}", std::error::Error::source(e).map(|e| e.to_string()));
            }
        }
    }
    println!("best {best:?} mean {:?}", all / n as u32);
}
