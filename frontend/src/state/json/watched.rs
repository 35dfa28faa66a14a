//! Reading what the server watches besides the gateway's clusters; by hand, which takes a tenth of derived readers.

use protocol::attached::Attached;
use protocol::kernels::KernelNote;
use protocol::rest::LiveState;
use serde_json::Value;

use super::{list, part};

/// The text of a field, empty where it is missing.
fn text(tree: &Value, name: &str) -> String {
    tree[name].as_str().unwrap_or_default().to_owned()
}

pub(super) fn attached(tree: &Value) -> Attached {
    Attached {
        id: text(tree, "id"),
        name: text(tree, "name"),
        label: text(tree, "label"),
        address: text(tree, "address"),
        attached_at: tree["attached_at"].as_i64().unwrap_or_default(),
        live: part(&tree["live"]).unwrap_or(LiveState::Off),
        message: tree["message"].as_str().map(str::to_owned),
        summary: part(&tree["summary"]),
    }
}

pub(super) fn kernel_note(tree: &Value) -> KernelNote {
    KernelNote {
        kernel: text(tree, "kernel"),
        display_name: text(tree, "display_name"),
        differences: list(&tree["differences"], |sentence| {
            sentence.as_str().unwrap_or_default().to_owned()
        }),
        remedy: text(tree, "remedy"),
    }
}
