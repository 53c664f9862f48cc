//! The cases' text: several per file, each a name, a sentence, flags and a directory tree.
//!
//! ```text
//! //= copy-keeps-modes
//! // COPY keeps permission bits.
//! //: --target final --build-arg NAME=value --secret id=token,src={secrets}/token
//! //- /Dockerfile
//! FROM base
//! COPY tool /
//! //- /tool mode=4755
//! x
//! //- @secrets/token
//! y
//! ```
//!
//! Flags are those of `kapok build`; `{name}` is the directory that `@name/...` headings fill.

use std::fs;
use std::io;
use std::path::Path;

use testkit::fixture::Fixture;

/// One behaviour to compare.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file it stands in, without `.txt`.
    pub topic: String,
    /// Unique among all cases.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// Words after `//:`.
    pub flags: Vec<String>,
    /// What the error message must contain, where the build must fail.
    pub message: Option<String>,
    /// The build context, and what is beside it.
    pub fixture: Fixture,
}

/// Reads every `*.txt` of a directory, sorted by file name.
pub fn load(directory: &Path) -> io::Result<Vec<Case>> {
    let mut paths: Vec<_> = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    paths.sort_by_key(|entry| entry.file_name());
    let mut cases = Vec::new();
    for path in paths.iter().map(|entry| entry.path()).filter(|path| path.extension() == Some("txt".as_ref()))
    {
        let topic = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        cases.extend(
            parse(&topic, &text)
                .map_err(|message| io::Error::other(format!("`{}`: {message}", path.display())))?,
        );
    }
    // BuildKit takes a file of the same name, size and time for the same file, also from another context.
    for (index, case) in cases.iter_mut().enumerate() {
        case.fixture.mtime += index as i64;
    }
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(io::Error::other(format!("two cases are called `{}`", pair[0]))),
        None => Ok(cases),
    }
}

fn parse(topic: &str, text: &str) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for part in text.split("\n//= ").skip(1) {
        let (name, rest) = part.split_once('\n').unwrap_or((part, ""));
        let mut case = Case {
            topic: topic.to_owned(),
            name: name.trim().to_owned(),
            about: String::new(),
            flags: Vec::new(),
            message: None,
            fixture: Fixture::default(),
        };
        let mut body = rest;
        while let Some((line, after)) = body.split_once('\n') {
            if let Some(flags) = line.strip_prefix("//: ") {
                case.flags.extend(flags.split_whitespace().map(str::to_owned));
            } else if let Some(message) = line.strip_prefix("//? ") {
                case.message = Some(message.trim().to_owned());
            } else if let Some(about) = line.strip_prefix("// ") {
                case.about.push_str(about);
            } else {
                break;
            }
            body = after;
        }
        // A blank line before the next case is for the reader, not of the last file.
        let end = if body.ends_with('\n') { "" } else { "\n" };
        case.fixture =
            Fixture::parse(&format!("{body}{end}")).map_err(|error| format!("`{}`: {error}", case.name))?;
        if case.about.is_empty() {
            return Err(format!("`{}` does not say what it shows", case.name));
        }
        cases.push(case);
    }
    Ok(cases)
}

impl Case {
    /// Writes the tree into `directory/context` and its sisters; returns the flags with `{name}` filled in.
    pub fn write(&self, directory: &Path) -> io::Result<Vec<String>> {
        let context = directory.join("context");
        fs::create_dir_all(&context)?;
        self.fixture.write(&context, directory).map_err(io::Error::other)?;
        let fill = |flag: &String| {
            let mut flag = flag.clone();
            while let (Some(open), Some(close)) = (flag.find('{'), flag.find('}')) {
                let path = directory.join(&flag[open + 1..close]);
                flag.replace_range(open..=close, &path.to_string_lossy());
            }
            flag
        };
        Ok(self.flags.iter().map(fill).collect())
    }
}
