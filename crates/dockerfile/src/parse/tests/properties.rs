//! What holds for every text.

use proptest::prelude::*;

use crate::fuzz::{fuzz_ignore, fuzz_parse};
use crate::{Level, parse};

/// Pieces that Dockerfiles are made of; at random they make most mistakes.
fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "FROM a AS b\n",
        "FROM ",
        "RUN ",
        "COPY ",
        "ADD ",
        "ENV ",
        "LABEL ",
        "ARG ",
        "ONBUILD ",
        "CMD ",
        "SHELL ",
        "HEALTHCHECK ",
        "EXPOSE ",
        "VOLUME ",
        "USER ",
        "WORKDIR ",
        "STOPSIGNAL ",
        "MAINTAINER ",
        "--mount=type=cache,target=/a",
        "--from=b ",
        "--chmod=u+x ",
        "--link ",
        "--interval=5s ",
        "CMD",
        "NONE",
        "[\"a\", \"b\"]",
        "[1]",
        "<<EOF",
        "<<-'E F' ",
        "\nEOF\n",
        "\n\tE F\n",
        "a=b ",
        "a ",
        "$A ",
        "${A:-b}",
        "\\\n",
        "`\n",
        "\n",
        "\r\n",
        "# escape=`\n",
        "# check=skip=all\n",
        "# c\n",
        "\"",
        "'",
        "\\",
        "=",
        "\t",
        "é",
        "\u{a0}",
        "\u{feff}",
        "\0",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => ".{0,4}"]
}

proptest! {
    /// Nothing panics, and every span is in the text and on character boundaries.
    #[test]
    fn any_text_parses(pieces in prop::collection::vec(piece(), 0..20)) {
        fuzz_parse(pieces.concat().as_bytes());
    }

    #[test]
    fn any_bytes_parse(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        fuzz_parse(&bytes);
        fuzz_ignore(&bytes);
    }

    /// Errors of one instruction are those of the same instruction below others.
    #[test]
    fn errors_do_not_depend_on_what_stands_above(pieces in prop::collection::vec(piece(), 0..8)) {
        let text = pieces.concat();
        let errors = |before: &str| {
            let (_, diagnostics) = parse(&format!("{before}{text}"));
            let errors = diagnostics.into_iter().filter(|found| found.level == Level::Error);
            errors.map(|found| (found.message, found.span.start - before.len())).collect::<Vec<_>>()
        };
        // Stages are counted in one message, and a first line may be a directive.
        prop_assume!(!text.contains("--from") && !text.starts_with(['#', '\u{feff}']));
        prop_assert_eq!(errors("FROM x\n"), errors("FROM x\nUSER y\n"));
    }

    /// The same file with other line ends is the same file.
    #[test]
    fn line_ends_do_not_matter(words in prop::collection::vec("[a-z]{1,5}", 1..6)) {
        let text = format!("FROM a\nRUN {}\nUSER x\n", words.join(" \\\n  "));
        let (unix, _) = parse(&text);
        let (windows, _) = parse(&text.replace('\n', "\r\n"));
        let texts = |file: &crate::Dockerfile| {
            file.stages[0].instructions.iter().map(|each| each.text.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(texts(&unix), texts(&windows));
    }
}
