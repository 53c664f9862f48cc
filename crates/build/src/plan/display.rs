//! A plan as text, for `kapok plan` and for tests: one line for each step, its parts below it.

use std::fmt::{self, Display, Formatter};

use super::model::*;
use super::text::{quoted, quoted_list};

impl Display for Plan {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (position, stage) in self.stages.iter().enumerate() {
            if position > 0 {
                writeln!(formatter)?;
            }
            stage.fmt(formatter)?;
        }
        Ok(())
    }
}

impl Display for PlannedStage {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "stage {} for {} from {}", self.label(), self.platform, self.base)?;
        self.steps.iter().try_for_each(|step| step.fmt(formatter))
    }
}

impl Display for StageBase {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            StageBase::Scratch => formatter.write_str("scratch"),
            StageBase::Image(image) => match &image.found {
                Some(found) => write!(formatter, "image {} ({found})", image.name),
                None => write!(formatter, "image {}", image.name),
            },
            StageBase::Stage(stage) => write!(formatter, "stage {stage}"),
            StageBase::Context(name) => write!(formatter, "context {name}"),
        }
    }
}

impl Display for Step {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "  {}/{} {}", self.number, self.of, self.text)?;
        match &self.action {
            Action::Run(run) => run.fmt(formatter),
            Action::Copy(copy) => copy.fmt(formatter),
            Action::Workdir(workdir) => {
                let user = if workdir.user.is_empty() { "root" } else { &workdir.user };
                writeln!(formatter, "      create {} for {user}", workdir.path)
            }
            Action::Metadata => Ok(()),
        }
    }
}

impl Display for RunAction {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "      args {}", quoted_list(&self.args))?;
        if let Some(script) = &self.script {
            writeln!(formatter, "      script {} {}", script.name, quoted(&script.content))?;
        }
        for (name, value) in self.env.iter().filter(|(name, _)| name != "PATH") {
            writeln!(formatter, "      env {name}={}", quoted(value))?;
        }
        for (name, value) in &self.proxy {
            writeln!(formatter, "      proxy {name}={}", quoted(value))?;
        }
        if self.cwd != "/" {
            writeln!(formatter, "      in {}", self.cwd)?;
        }
        if !self.user.is_empty() {
            writeln!(formatter, "      as {}", self.user)?;
        }
        if self.network != Network::Default {
            writeln!(formatter, "      network {}", self.network.name())?;
        }
        if self.security != Security::Sandbox {
            writeln!(formatter, "      security {}", self.security.name())?;
        }
        self.mounts.iter().try_for_each(|mount| writeln!(formatter, "      mount {mount}"))
    }
}

impl Display for RunMount {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            RunMountKind::Bind { from, source } => write!(formatter, "bind {from}:{source}")?,
            RunMountKind::Cache { id, from, source, sharing, .. } => {
                write!(formatter, "cache {id} {}", sharing.name())?;
                if *from != TreeSource::Empty {
                    write!(formatter, " from {from}:{source}")?;
                }
            }
            RunMountKind::Tmpfs { size: None } => formatter.write_str("tmpfs")?,
            RunMountKind::Tmpfs { size: Some(size) } => write!(formatter, "tmpfs of {size} bytes")?,
            RunMountKind::Secret { id, env, required, .. } => {
                write!(formatter, "{}secret {id}", if *required { "required " } else { "" })?;
                if let Some(env) = env {
                    write!(formatter, " as ${env}")?;
                }
            }
            RunMountKind::Ssh { id, required, .. } => {
                write!(formatter, "{}ssh {id}", if *required { "required " } else { "" })?;
            }
        }
        if let RunMountKind::Cache { owner, .. }
        | RunMountKind::Secret { owner, .. }
        | RunMountKind::Ssh { owner, .. } = &self.kind
        {
            if let Some(mode) = owner.mode {
                write!(formatter, " mode {mode:04o}")?;
            }
            if owner.uid.is_some() || owner.gid.is_some() {
                write!(formatter, " owner {}:{}", owner.uid.unwrap_or(0), owner.gid.unwrap_or(0))?;
            }
        }
        if let Some(target) = &self.target {
            write!(formatter, " at {target}")?;
        }
        formatter.write_str(if self.read_only { " read-only" } else { "" })
    }
}

impl Display for TreeSource {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            TreeSource::MainContext => formatter.write_str("the context"),
            TreeSource::Context(name) => write!(formatter, "context {name}"),
            TreeSource::Stage(stage) => write!(formatter, "stage {stage}"),
            TreeSource::Image(image) => write!(formatter, "image {}", image.name),
            TreeSource::Empty => formatter.write_str("scratch"),
        }
    }
}

impl Display for CopyAction {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for source in &self.sources {
            writeln!(formatter, "      {source} -> {}", self.destination)?;
        }
        let mut flags: Vec<String> = Vec::new();
        flags.extend(self.chown.as_ref().map(|owner| format!("chown {owner}")));
        flags.extend(self.chmod.as_ref().map(|mode| match mode {
            dockerfile::mode::Mode::Octal(mode) => format!("chmod {mode:04o}"),
            dockerfile::mode::Mode::Symbolic(_) => "chmod symbolic".to_owned(),
        }));
        flags.extend(self.link.then(|| "link".to_owned()));
        flags.extend(self.parents.then(|| "parents".to_owned()));
        flags.extend(self.exclude.iter().map(|pattern| format!("exclude {pattern}")));
        flags.extend((self.add && !self.unpack.local).then(|| "no unpacking".to_owned()));
        flags.extend(self.unpack.remote.then(|| "unpack downloads".to_owned()));
        if flags.is_empty() { Ok(()) } else { writeln!(formatter, "      {}", flags.join(", ")) }
    }
}

impl Display for CopySource {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            CopySource::Path { from, path } => write!(formatter, "{from}:{path}"),
            CopySource::Inline { name, content } => write!(formatter, "inline {name} {}", quoted(content)),
            CopySource::Url { url, file_name, checksum } => {
                write!(formatter, "{url} as {file_name}")?;
                checksum.as_ref().map_or(Ok(()), |checksum| write!(formatter, " with digest {checksum}"))
            }
            CopySource::Git { reference, keep_git_dir } => {
                write!(formatter, "git {reference}")?;
                if let Some(commit) = &reference.commit {
                    write!(formatter, " at commit {commit}")?;
                }
                formatter.write_str(if *keep_git_dir { " with .git" } else { "" })
            }
        }
    }
}
