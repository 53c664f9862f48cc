//! `kapok doctor`.

use build::sandbox::{Capability, probe};
use oci::layer::OverlayForm;
use oci::store::Store;

use crate::cli::{Format, house};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::program::{Program, store_place};
use crate::ui::line::Tone;
use crate::ui::table::table;

/// Tries what builds need; the answer is no if something required is missing.
pub fn run(program: &Program, arguments: &house::Doctor) -> Result<Exit, Failure> {
    let mut capabilities = probe();
    capabilities.push(store_check(program));
    let works = capabilities.iter().all(|capability| capability.ok || !capability.required);
    match arguments.format {
        Format::Json => program.data(&json(&capabilities, works))?,
        Format::Table => program.data(&text(&capabilities, works, program))?,
    }
    Ok(if works { Exit::Done } else { Exit::No })
}

/// Whether the store can be where it is to be.
fn store_check(program: &Program) -> Capability {
    let name = "store".to_owned();
    let opened = program.settings().and_then(|settings| {
        let place = store_place(&program.environment, &settings)?;
        let form = if program.environment.root { OverlayForm::Trusted } else { OverlayForm::User };
        Store::open(&place, form)?;
        Ok(place)
    });
    match opened {
        Ok(place) => {
            let detail = place.display().to_string();
            Capability { name, ok: true, required: true, detail, hint: None }
        }
        Err(failure) => {
            let hint = failure.hint();
            Capability { name, ok: false, required: true, detail: failure.to_string(), hint }
        }
    }
}

fn json(capabilities: &[Capability], works: bool) -> String {
    let value = serde_json::json!({ "builds": works, "capabilities": capabilities });
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

fn text(capabilities: &[Capability], works: bool, program: &Program) -> String {
    let rows: Vec<Vec<String>> = capabilities
        .iter()
        .map(|capability| {
            let state = match (capability.ok, capability.required) {
                (true, _) => "yes",
                (false, true) => "NO",
                (false, false) => "no",
            };
            vec![state.to_owned(), capability.name.clone(), capability.detail.clone()]
        })
        .collect();
    let mut text = table(&["", "WHAT", "FOUND"], &rows);
    for capability in capabilities.iter().filter(|capability| !capability.ok) {
        if let Some(hint) = &capability.hint {
            let word =
                Tone::Good.paint("hint", program.terminal.colour && program.terminal.stdout_is_terminal);
            text += &format!("\n{word}: {}: {hint}\n", capability.name);
        }
    }
    text + if works { "\nbuilds work here\n" } else { "\nbuilds cannot work here\n" }
}
