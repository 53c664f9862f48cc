//! What status, plan, logs and explain say of a project's names.

use crate::environment::TestEnvironment;
use crate::project::{project, table};

#[test]
fn what_a_name_means_is_looked_at_and_a_wrong_one_gets_a_suggestion() {
    let here = project();
    here.write("middle/needed", "needed");
    let plan = table(&here.kapok("plan").ok().stdout);
    assert!(
        plan.iter().any(|row| row == "5 of 5 images to build, in a time that nobody knows yet"),
        "{plan:?}"
    );
    let never = here.kapok("logs base").code(2).stderr;
    assert!(never.contains("image `base` of the project was not built yet"), "{never}");
    let unknown = here.kapok("explain bas").code(2).stderr;
    assert!(unknown.contains("did you mean `base`?"), "{unknown}");
    here.kapok("build").ok();
    assert!(here.kapok("plan").ok().stdout.contains("0 of 5 images to build"));
    here.kapok("tag tool side:latest").ok();
    let other = here.kapok("status").code(1).stdout;
    assert!(other.contains("`side:latest` is another image by now"), "{other}");
    here.kapok("rmi side:latest").ok();
    let gone = here.kapok("status").code(1).stdout;
    assert!(gone.contains("the store has no `side:latest` any more"), "{gone}");
    here.kapok("build").ok();
    assert!(here.kapok("status").ok().stdout.contains("5/5 complete and current"));
}

#[test]
fn a_place_in_an_inline_dockerfile_is_not_one_of_its_file() {
    let here = TestEnvironment::new();
    here.write("kapok.yaml", "images:\n  good: {inline: \"FROM scratch\\n\"}\n  bad: {inline: \"FROM scratch\\nCOPY no /\\n\", context: .}\n");
    let failed = here.kapok("build").code(4).stderr;
    assert!(failed.contains("kapok.yaml (image `bad`):2:"), "{failed}");
}
