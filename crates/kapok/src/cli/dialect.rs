//! Words of docker and podman that Kapok does not have, each with the Kapok way.
//!
//! The table is consulted only after the command line was refused, so it can never shadow a flag of ours.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The answer to a word that Kapok does not have.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was written, and that it is not there.
    pub message: String,
    /// What to do instead.
    pub hint: &'static str,
}

/// Explains a refused command line, if what it stumbled on is a word of docker's or podman's.
///
/// `arguments` is the command line without the program's name.
pub fn explain(error: &clap::Error, arguments: &[String]) -> Option<Answer> {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.clone()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let verb = word(ContextKind::InvalidSubcommand)?;
            let hint = lookup(VERBS, &verb)?;
            Some(Answer { message: format!("there is no `kapok {verb}`"), hint })
        }
        ErrorKind::UnknownArgument => {
            let flag = word(ContextKind::InvalidArg)?;
            let flag = flag.split('=').next().unwrap_or_default();
            let (verb, table) = arguments.iter().find_map(|argument| {
                let table = FLAGS.iter().find(|(verb, _)| verb == argument)?;
                Some((table.0, table.1))
            })?;
            let hint = lookup(table, flag)?;
            Some(Answer { message: format!("`kapok {verb}` has no `{flag}`"), hint })
        }
        _ => None,
    }
}

fn lookup(table: &[(&[&str], &'static str)], word: &str) -> Option<&'static str> {
    table.iter().find(|(words, _)| words.contains(&word)).map(|(_, hint)| *hint)
}

type Table = &'static [(&'static [&'static str], &'static str)];

const FOREGROUND: &str =
    "a command runs in the foreground and leaves nothing behind; `kapok run IMAGE` starts one";

const VERBS: Table = &[
    (
        &["exec", "attach"],
        "there are no running containers; `kapok run -it IMAGE` starts a command, `kapok shell IMAGE#STEP` a shell",
    ),
    (
        &[
            "ps",
            "start",
            "stop",
            "restart",
            "kill",
            "rm",
            "create",
            "pause",
            "unpause",
            "wait",
            "top",
            "stats",
            "rename",
            "update",
            "container",
            "port",
            "events",
        ],
        FOREGROUND,
    ),
    (&["search"], "registries have no common way to search; look at their web pages"),
    (&["history"], "`kapok inspect IMAGE` shows the history, `kapok explain IMAGE#STEP` one step's record"),
    (
        &["image"],
        "the verbs stand alone: `kapok images`, `inspect`, `diff`, `tag`, `rmi`, `pull`, `push`, `copy`, `load`, `save`",
    ),
    (&["buildx", "builder", "buildah", "bake"], "it is `kapok build`; `kapok gc` frees the cache's space"),
    (&["system", "prune"], "`kapok gc` frees space, `kapok doctor` looks at the machine"),
    (&["info", "version"], "it is `kapok doctor` and `kapok --version`"),
    (&["export"], "`kapok build -o DIRECTORY` writes an image's files, `kapok save` an archive"),
    (&["import"], "use a Dockerfile with `FROM scratch` and `ADD archive.tar /`"),
    (&["commit"], "write the change as a step of the Dockerfile, so that it has a record"),
    (&["cp"], "`kapok build -o DIRECTORY` writes an image's files, `kapok run -v` mounts a directory"),
    (&["manifest"], "`kapok build --platform A,B` makes an image index, `kapok inspect` shows it"),
    (
        &[
            "compose", "swarm", "stack", "service", "node", "volume", "network", "secret", "config",
            "plugin", "context",
        ],
        "Kapok builds images; it does not run services",
    ),
];

const FLAGS: &[(&str, Table)] = &[
    ("build", BUILD),
    ("run", RUN),
    ("images", IMAGES),
    ("inspect", INSPECT),
    ("rmi", RMI),
    ("save", SAVE),
    ("pull", PULL),
    ("push", PUSH),
    ("copy", COPY),
    ("login", LOGIN),
    ("logout", LOGIN),
    ("serve", SERVE),
];

const CREDENTIALS: &str = "`kapok login` keeps credentials, REGISTRY_AUTH_FILE names another file of them";

const INSECURE: &str = "say `insecure: true` under `registries` in the machine's or the user's kapok.yaml; loopback needs nothing";

const CERTIFICATES: &str =
    "put certificates into `certs.d/HOST:PORT`, or name them under `registries` in kapok.yaml";

const BUILD: Table = &[
    (
        &["--load"],
        "the image is always kept in Kapok's store; `--output type=docker,dest=FILE` is for `docker load`",
    ),
    (
        &["--rm", "--force-rm", "--layers"],
        "no containers are left over, and every step is kept: drop the flag",
    ),
    (&["--squash", "--squash-all"], "copy from a last stage with `COPY --from=STAGE / /` instead"),
    (&["--provenance", "--sbom", "--attest"], "every step has a record; `kapok explain IMAGE#STEP` shows it"),
    (&["--no-cache-filter"], "use `--no-cache`, or change an ARG that the stage uses"),
    (&["--timestamp"], "it is `--source-date-epoch SECONDS`"),
    (&["--format"], "images are OCI images; `--output type=docker` writes docker's archive"),
    (&["--ignorefile"], "name it `<Dockerfile>.dockerignore`, beside the Dockerfile"),
    (&["--env"], "use ENV in the Dockerfile, or `--build-arg`"),
    (&["-v", "--volume"], "use `--build-context NAME=DIRECTORY` and `RUN --mount=type=bind,from=NAME`"),
    (
        &[
            "--shm-size",
            "--ulimit",
            "--memory-swap",
            "--cpu-shares",
            "--cpu-quota",
            "--cpu-period",
            "--cpuset-cpus",
            "--cpuset-mems",
            "--cgroup-parent",
        ],
        "the limits are `--cpus`, `--memory` and `--pids`",
    ),
    (
        &["--isolation", "--security-opt", "--cap-add", "--cap-drop", "--device", "--userns"],
        "every step has the same sandbox; `RUN --security=insecure` where the settings allow it",
    ),
    (&["--builder"], "there is one builder: this process"),
    (&["--check", "--call"], "`kapok plan` parses and plans without building"),
    (&["--stdin"], "use `-` as the build context"),
    (
        &["--creds", "--authfile", "--tls-verify", "--cert-dir"],
        "`kapok login` keeps credentials, `registries` in kapok.yaml says the rest",
    ),
];

const RUN: Table = &[
    (&["-d", "--detach"], FOREGROUND),
    (&["--name", "--restart", "--cidfile", "--stop-signal", "--health-cmd"], FOREGROUND),
    (
        &["-p", "--publish", "-P", "--publish-all", "--expose"],
        "with `--network host` the command listens on this machine",
    ),
    (
        &["--privileged", "--cap-add", "--cap-drop", "--security-opt", "--device", "--gpus"],
        "every command has the same sandbox; none has host privileges",
    ),
    (&["--mount", "--tmpfs", "--volumes-from"], "use `-v HOST:INSIDE[:ro]`"),
    (&["--env-file"], "repeat `-e NAME=VALUE`"),
    (&["--pull"], "`kapok pull IMAGE` fetches an image before it is run"),
    (&["--init"], "the sandbox has an init: drop the flag"),
    (
        &["--shm-size", "--ulimit", "--memory-swap", "--cpu-shares", "--cpuset-cpus"],
        "the limits are `--cpus`, `--memory` and `--pids`",
    ),
    (&["--link", "--dns", "--ip", "--mac-address"], "use `--add-host NAME:ADDRESS`"),
];

const IMAGES: Table = &[
    (&["-f", "--filter"], "give a name, or filter `--format json` with `jq`"),
    (&["-a", "--all"], "there are no intermediate images: drop the flag"),
];

const INSPECT: Table = &[
    (&["-f", "--format"], "the output is JSON: `kapok inspect IMAGE | jq -r '.[0].Id'`"),
    (&["--type", "-s", "--size"], "there are only images, and their size is shown: drop the flag"),
];

const RMI: Table =
    &[(&["--no-prune"], "only names are removed; `kapok gc` frees space later: drop the flag")];

const SAVE: Table = &[(&["--platform"], "an archive holds the image as it is; see `--format oci`")];

const PULL: Table = &[
    (&["-a", "--all-tags"], "name the tags; `crane ls` or `skopeo list-tags` list them"),
    (&["--disable-content-trust"], "every byte is compared with its digest: drop the flag"),
    (&["--creds", "--authfile"], CREDENTIALS),
    (&["--tls-verify"], INSECURE),
    (&["--cert-dir"], CERTIFICATES),
    (&["--policy"], "`kapok pull` always asks the registry"),
    (&["--arch", "--os", "--variant"], "it is `--platform OS/ARCH[/VARIANT]`"),
];

const PUSH: Table = &[
    (&["-a", "--all-tags"], "name the tags; several can be given"),
    (&["--disable-content-trust"], "every byte is compared with its digest: drop the flag"),
    (&["--creds", "--authfile"], CREDENTIALS),
    (&["--tls-verify"], INSECURE),
    (&["--cert-dir"], CERTIFICATES),
    (&["--digestfile"], "`kapok push -q` prints the digest"),
    (&["--all"], "an index goes with all its images: drop the flag"),
    (
        &["--format", "-f", "--compress", "--compression-format", "--force-compression"],
        "what is pushed is the image as it was built; `kapok build --compression` chooses",
    ),
];

const COPY: Table = &[
    (
        &["--src-creds", "--dest-creds", "--authfile", "--src-authfile", "--dest-authfile", "--src-no-creds"],
        CREDENTIALS,
    ),
    (&["--src-tls-verify", "--dest-tls-verify", "--insecure"], INSECURE),
    (&["--src-cert-dir", "--dest-cert-dir"], CERTIFICATES),
    (&["--preserve-digests"], "digests always stay: drop the flag"),
    (&["--multi-arch"], "it is `--all`, or `--platform` for one"),
    (&["--override-arch", "--override-os", "--override-variant"], "it is `--platform OS/ARCH[/VARIANT]`"),
    (&["--format", "-f", "--dest-compress"], "what is copied stays as it is"),
];

const LOGIN: Table = &[
    (&["--authfile"], "REGISTRY_AUTH_FILE names the file"),
    (&["--tls-verify"], INSECURE),
    (&["--cert-dir"], CERTIFICATES),
    (&["--get-login"], "it stands in Docker's config.json"),
    (&["--all"], "name the registries, one at a time"),
];

const SERVE: Table = &[
    (&["--address", "--listen", "--port", "--addr"], "it is `--registry ADDRESS`"),
    (&["-d", "--detach"], "it runs in the foreground; let systemd or another supervisor start it"),
];

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::Cli;

    fn ask(line: &str) -> Option<String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let error = Cli::try_parse_from(std::iter::once(&"kapok".to_owned()).chain(&arguments)).unwrap_err();
        explain(&error, &arguments).map(|answer| answer.message)
    }

    #[test]
    fn dockers_words_are_explained() {
        assert_eq!(ask("exec -it web sh").as_deref(), Some("there is no `kapok exec`"));
        assert_eq!(ask("run -d web").as_deref(), Some("`kapok run` has no `-d`"));
        assert_eq!(ask("run -itd web").as_deref(), Some("`kapok run` has no `-d`"));
        assert_eq!(ask("run --name=x web").as_deref(), Some("`kapok run` has no `--name`"));
        assert_eq!(ask("build . --load").as_deref(), Some("`kapok build` has no `--load`"));
    }

    #[test]
    fn other_mistakes_are_left_alone() {
        assert_eq!(ask("biuld ."), None);
        assert_eq!(ask("build . --bulid-arg x"), None);
    }

    #[test]
    fn no_word_of_the_table_is_ours() {
        let ours = Cli::command();
        for (verb, _) in VERBS.iter().flat_map(|(words, _)| words.iter().map(|word| (*word, ()))) {
            assert!(ours.find_subcommand(verb).is_none(), "`kapok {verb}` exists");
        }
        for (verb, table) in FLAGS {
            let command = ours.find_subcommand(verb).expect("the table's verbs are ours");
            for flag in table.iter().flat_map(|(words, _)| *words) {
                let name = flag.trim_start_matches('-');
                let known = command.get_arguments().any(|argument| {
                    argument.get_long().is_some_and(|long| flag.starts_with("--") && long == name)
                        || argument
                            .get_short()
                            .is_some_and(|short| name == short.to_string() && flag.len() == 2)
                });
                assert!(!known, "`kapok {verb} {flag}` exists");
            }
        }
    }
}
