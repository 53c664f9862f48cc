//! RUN: arguments, environment, mounts and rights.

use dockerfile::expand::{Options, expand};
use dockerfile::{Diagnostic, Mount, MountKind, ResolvedMount, Run, Script, Span};

use super::draft::Draft;
use super::model::{
    Network, RunAction, RunMount, RunMountKind, SCRIPT_DIRECTORY, ScriptFile, Security, TreeSource,
};
use super::{budget, path};

const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// Plans a RUN. Nothing where it is in error.
pub fn plan(draft: &mut Draft<'_, '_>, run: &Run) -> Option<RunAction> {
    let (args, script) = command_line(draft, run);
    let network = network(draft, run);
    let security = security(draft, run);
    for device in &run.devices {
        let message = "devices are not offered to steps";
        draft.error(Diagnostic::error(device.span, message).hint("remove `--device`"));
    }
    let mounts = mounts(draft, &run.mounts);
    draft.commit(history_line(draft, &args), true);
    if draft.planner.budget.spend(draft.variables.len() + draft.declared.len()).is_err() {
        draft.error(Diagnostic::error(draft.span(), budget::TooLarge.to_string()));
        return None;
    }
    let cwd = path::clean(&path::join("/", &draft.config.config.working_dir));
    Some(RunAction {
        args,
        script,
        env: draft.variables.to_vec(),
        proxy: draft.planner.proxies.clone(),
        cwd,
        user: draft.config.config.user.clone(),
        mounts: mounts?,
        network: network?,
        security: security?,
    })
}

fn command_line(draft: &Draft<'_, '_>, run: &Run) -> (Vec<String>, Option<ScriptFile>) {
    match run.script() {
        Script::Exec(args) => (args, None),
        Script::Shell(text) => (with_shell(draft, text), None),
        Script::File { name, content } => {
            let program = format!("{SCRIPT_DIRECTORY}/{name}");
            (with_shell(draft, program), Some(ScriptFile { name, content }))
        }
    }
}

/// A command line for the stage's shell.
pub fn with_shell(draft: &Draft<'_, '_>, text: String) -> Vec<String> {
    let own = draft.config.config.shell.as_ref().filter(|shell| !shell.is_empty()).cloned();
    let mut args = own.unwrap_or_else(|| DEFAULT_SHELL.map(str::to_owned).to_vec());
    args.push(text);
    args
}

/// `RUN |1 FOO=bar /bin/sh -c ... # buildkit`: the declared arguments with the values that the command sees.
fn history_line(draft: &Draft<'_, '_>, args: &[String]) -> String {
    let value = |(name, value): &(String, Option<String>)| {
        let value = draft.variables.get(name).or(value.as_deref()).unwrap_or_default();
        format!("{name}={value}")
    };
    let values: Vec<String> = draft.declared.iter().map(value).collect();
    let declared =
        if values.is_empty() { String::new() } else { format!("|{} {} ", values.len(), values.join(" ")) };
    format!("RUN {declared}{} # buildkit", args.join(" "))
}

fn network(draft: &mut Draft<'_, '_>, run: &Run) -> Option<Network> {
    let Some(asked) = &run.network else { return Some(draft.planner.request.network) };
    match asked.value {
        dockerfile::Network::Default => Some(draft.planner.request.network),
        dockerfile::Network::None => Some(Network::None),
        dockerfile::Network::Host if draft.planner.request.permissions.host_network => Some(Network::Host),
        dockerfile::Network::Host => {
            let diagnostic = Diagnostic::error(
                asked.span,
                "this build may not use the machine's own network",
            )
            .label("not allowed")
            .hint("allow it with `network.host: true` in /etc/kapok/kapok.yaml or in the user's kapok.yaml");
            draft.error(diagnostic);
            None
        }
    }
}

fn security(draft: &mut Draft<'_, '_>, run: &Run) -> Option<Security> {
    match &run.security {
        None => Some(Security::Sandbox),
        Some(asked) => match asked.value {
            dockerfile::Security::Sandbox => Some(Security::Sandbox),
            dockerfile::Security::Insecure if draft.planner.request.permissions.insecure => {
                Some(Security::Insecure)
            }
            dockerfile::Security::Insecure => {
                let diagnostic = Diagnostic::error(
                    asked.span,
                    "this build may not run steps with all capabilities",
                )
                .label("not allowed")
                .hint("allow it with `security.insecure: true` in /etc/kapok/kapok.yaml or in the user's kapok.yaml");
                draft.error(diagnostic);
                None
            }
        },
    }
}

/// All mounts; nothing if one is in error, after all of them were looked at.
fn mounts(draft: &mut Draft<'_, '_>, mounts: &[Mount]) -> Option<Vec<RunMount>> {
    let mut ssh_sockets = 0;
    let planned: Vec<Option<RunMount>> =
        mounts.iter().map(|mount| plan_mount(draft, mount, &mut ssh_sockets)).collect();
    planned.into_iter().collect()
}

fn plan_mount(draft: &mut Draft<'_, '_>, mount: &Mount, ssh_sockets: &mut usize) -> Option<RunMount> {
    let resolved = resolve(draft, mount)?;
    let ResolvedMount { target, read_only, kind } = resolved;
    let (target, kind) = match kind {
        MountKind::Bind { from, source } => {
            let from = tree(draft, from, TreeSource::MainContext, mount.span)?;
            (
                Some(below_workdir(draft, &target)),
                RunMountKind::Bind { from, source: path::join("/", &source) },
            )
        }
        MountKind::Cache { id, from, source, sharing, owner } => {
            let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| path::clean(&target));
            let from = tree(draft, from, TreeSource::Empty, mount.span)?;
            let source = path::join("/", &source);
            (Some(below_workdir(draft, &target)), RunMountKind::Cache { id, from, source, sharing, owner })
        }
        MountKind::Tmpfs { size } => {
            (Some(below_workdir(draft, &target)), RunMountKind::Tmpfs { size: (size != 0).then_some(size) })
        }
        MountKind::Secret { id, env, required, owner } => {
            let target = match target.as_str() {
                "" if env.is_some() => None,
                "" => Some(format!("/run/secrets/{}", path::base(&id))),
                target => Some(below_workdir(draft, target)),
            };
            (target, RunMountKind::Secret { id, env, required, owner })
        }
        MountKind::Ssh { id, required, owner } => {
            let target = match target.as_str() {
                "" => format!("/run/buildkit/ssh_agent.{ssh_sockets}"),
                target => below_workdir(draft, target),
            };
            *ssh_sockets += 1;
            (Some(target), RunMountKind::Ssh { id, required, owner })
        }
    };
    if target.as_deref() == Some("/") {
        draft.error(Diagnostic::error(mount.span, "a mount cannot take the place of the root directory"));
        return None;
    }
    Some(RunMount { target, read_only, kind })
}

fn resolve(draft: &mut Draft<'_, '_>, mount: &Mount) -> Option<ResolvedMount> {
    let options = Options::new(draft.planner.request.dockerfile.directives.escape);
    let mut unmatched = Vec::new();
    let resolved = mount.resolve(|raw| {
        let expanded = expand(raw, options, &draft.variables)?;
        unmatched.extend(expanded.unmatched);
        Ok::<String, dockerfile::expand::ExpandError>(expanded.word)
    });
    draft.warn_undefined(&unmatched, mount.span);
    match resolved {
        Ok(resolved) => Some(resolved),
        Err(diagnostic) => {
            draft.error(diagnostic);
            None
        }
    }
}

fn tree(
    draft: &mut Draft<'_, '_>,
    from: Option<String>,
    default: TreeSource,
    span: Span,
) -> Option<TreeSource> {
    match from {
        None => Some(default),
        Some(name) => draft.tree(&name, false, span),
    }
}

fn below_workdir(draft: &Draft<'_, '_>, target: &str) -> String {
    path::clean(&path::workdir(&draft.config.config.working_dir, target))
}
