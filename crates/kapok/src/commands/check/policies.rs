//! `kapok check --policy`: rules of users, over the repository's facts or over documents of their own.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use policy::rego::{self, Memory, Policies, RegoError};
use policy::{Facts, Finding, Judgement};

use crate::cli::check::Check;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::Program;

/// No policy, data file or document is larger; a dump of a large cluster is a third of it.
const MAX_BYTES: u64 = 256 << 20;
/// No rule needs more memory beside its document.
const MAX_MEMORY: u64 = 1 << 30;
/// Nobody keeps more policies.
const MAX_FILES: usize = 10_000;

/// The policies below the directories that `--policy` names.
pub fn load(program: &Program, arguments: &Check) -> Result<Option<Policies>, Failure> {
    if arguments.policy.is_empty() {
        return Ok(None);
    }
    let mut policies = Policies {
        modules: Vec::new(),
        data: Vec::new(),
        namespaces: arguments.namespace.clone(),
        limit: Duration::from_secs(arguments.time_limit),
        memory: Memory { limit: MAX_MEMORY, used: resident },
        now: clock::now(),
    };
    for given in &arguments.policy {
        let root = program.environment.directory.join(given);
        let mut files = Vec::new();
        gather(&root, &root, &mut files).map_err(Failure::file("read", &root))?;
        files.sort();
        for (inside, path) in files {
            // A file that is named is itself, not something below it.
            let shown = if inside.as_os_str().is_empty() { given.clone() } else { given.join(&inside) };
            let shown = shown.to_string_lossy().into_owned();
            let text = read(&path)?;
            if path.extension().is_some_and(|end| end == "rego") {
                policies.modules.push((shown, text));
            } else {
                policies.data.push((inside.to_string_lossy().into_owned(), text));
            }
        }
    }
    Ok(Some(policies))
}

/// How many bytes of memory this program has; none where the system does not say.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.map_or(0, |pages| pages * rustix::param::page_size() as u64)
}

/// Policies and data, with their paths from the root; a file that is named is taken as it is.
fn gather(root: &Path, place: &Path, found: &mut Vec<(PathBuf, PathBuf)>) -> std::io::Result<()> {
    if fs::metadata(place)?.is_file() {
        let inside = place.strip_prefix(root).unwrap_or(place);
        let wanted = place
            .extension()
            .is_some_and(|end| ["rego", "json", "yaml", "yml"].iter().any(|known| end == *known));
        if wanted && found.len() < MAX_FILES {
            found.push((inside.to_owned(), place.to_owned()));
        }
        return Ok(());
    }
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        // A link may lead in a circle.
        if !hidden && !entry.file_type()?.is_symlink() {
            gather(root, &entry.path(), found)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(Failure::file("read", path))?;
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(Failure::file("read", path))?;
    Ok(text)
}

/// The documents that are meant, where the paths are documents: `-`, or files of JSON and YAML.
pub fn documents(arguments: &Check) -> Option<&[PathBuf]> {
    let is_document = |path: &PathBuf| {
        let known =
            path.extension().is_some_and(|end| ["json", "yaml", "yml"].iter().any(|known| end == *known));
        path.as_os_str() == "-" || known
    };
    let paths = &arguments.paths;
    (!arguments.policy.is_empty() && !paths.is_empty() && paths.iter().all(is_document)).then_some(paths)
}

/// Judges documents by the policies alone.
pub fn judge_documents(
    program: &Program,
    policies: &Policies,
    paths: &[PathBuf],
) -> Result<(Facts, Judgement), Failure> {
    let mut texts = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .lock()
                .take(MAX_BYTES)
                .read_to_string(&mut text)
                .map_err(Failure::file("read", "-"))?;
            texts.push(("-".to_owned(), text));
        } else {
            let text = read(&program.environment.directory.join(path))?;
            texts.push((path.to_string_lossy().into_owned(), text));
        }
    }
    let (facts, findings) = rego::judge_files(policies, texts).map_err(failure)?;
    Ok((facts, Judgement { findings, ..Judgement::default() }))
}

/// What the policies find in a repository.
pub fn judge(policies: &Policies, facts: &mut Facts) -> Result<Vec<Finding>, Failure> {
    rego::judge(policies, facts).map_err(failure)
}

/// Runs the policies' unit tests and says how they went.
pub fn test(program: &Program, policies: &Policies) -> Result<Exit, Failure> {
    let results = rego::test(policies).map_err(failure)?;
    let mut text = String::new();
    for result in &results {
        let (path, line) = &result.policy;
        if let Some(why) = &result.failed {
            text.push_str(&format!("{path}:{line}: {} failed: {why}\n", result.name));
        }
    }
    let failed = results.iter().filter(|result| result.failed.is_some()).count();
    text.push_str(&format!("{} passed, {failed} failed\n", results.len() - failed));
    program.data(&text)?;
    Ok(if failed > 0 { Exit::No } else { Exit::Done })
}

fn failure(error: RegoError) -> Failure {
    let hint = match &error {
        RegoError::Syntax { .. } => {
            "policies may be of Rego's first version or of its second (`import rego.v1`)"
        }
        RegoError::TooLong { .. } => {
            "a rule may take as long as `--time-limit` says; an endless one never ends"
        }
        RegoError::TooLarge { .. } => "a rule that collects less, or that stops earlier, has room enough",
        RegoError::Panicked { .. } => {
            "the interpreter does not understand this policy; nothing was judged by it"
        }
        RegoError::NoRules(_) => {
            "policies find things with rules named `deny`, `violation` and `warn`; `--namespace` names packages"
        }
        RegoError::Data { .. } | RegoError::Rule { .. } | RegoError::Recursive(_) => "nothing was judged",
    };
    Failure::usage_with(error.to_string(), hint)
}
