//! The gateway's own idle timeout, where an option of a cluster carries one: the second guard.

use protocol::rest::OptionValues;
use serde_json::Value;

/// The option that carries the gateway's own idle timeout, with the seconds that one of its units is.
fn idle_option<'a>(fields: impl IntoIterator<Item = &'a String>) -> Option<(&'a str, f64)> {
    fields.into_iter().find_map(|field| {
        let rest = field.to_ascii_lowercase();
        let unit = rest.strip_prefix("idle_timeout")?;
        let seconds = match unit {
            "" | "_s" | "_sec" | "_seconds" => 1.0,
            "_min" | "_minutes" => 60.0,
            "_h" | "_hours" => 3600.0,
            _ => return None,
        };
        Some((field.as_str(), seconds))
    })
}

/// Seconds of the gateway's own idle timeout, as a cluster's options have it; zero is none.
pub(super) fn gateway_idle(options: &OptionValues) -> Option<u64> {
    let (field, unit) = idle_option(options.keys())?;
    let seconds = options.get(field)?.as_f64()? * unit;
    (seconds >= 1.0).then_some(seconds as u64)
}

/// The value with which the gateway stands in for us: twice the limit, within the option's bounds. `None` where no option
/// carries an idle timeout, and where the user chose one.
pub(super) fn second_guard<'a>(
    specs: impl IntoIterator<Item = (&'a String, &'a Value, &'a Value)>,
    chosen: &OptionValues,
    idle_s: u64,
) -> Option<(String, Value)> {
    let (field, default, spec, unit) = specs.into_iter().find_map(|(field, default, spec)| {
        let (_, unit) = idle_option([field])?;
        Some((field, default, spec, unit))
    })?;
    let as_default = |value: &Value| value == default || value.as_f64() == default.as_f64();
    if !chosen.get(field).is_none_or(as_default) {
        return None;
    }
    let least = spec["min"].as_f64().unwrap_or(0.0);
    let most = spec["max"].as_f64().unwrap_or(f64::INFINITY);
    let value = (idle_s as f64 * 2.0 / unit).ceil().max(least).min(most);
    // Bounds that would make the gateway act before us, or never, are no help.
    if value * unit <= idle_s as f64 {
        return None;
    }
    let value = match spec["type"].as_str()? {
        "int" => Value::from(value as i64),
        "float" => Value::from(value),
        _ => return None,
    };
    Some((field.clone(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gateways_timeout_is_found_by_its_name() {
        let options = |text| serde_json::from_str::<OptionValues>(text).unwrap();
        assert_eq!(gateway_idle(&options(r#"{"idle_timeout": 90.0}"#)), Some(90));
        assert_eq!(
            gateway_idle(&options(r#"{"idle_timeout_minutes": 2}"#)),
            Some(120)
        );
        for none in [
            r#"{"idle_timeout": 0}"#,
            r#"{"idle_timeout": "x"}"#,
            r#"{"idle_timeouts": 5}"#,
            r#"{"timeout": 5}"#,
        ] {
            assert_eq!(gateway_idle(&options(none)), None, "{none}");
        }
    }

    #[test]
    fn the_gateway_stands_in_where_an_option_lets_it() {
        let guard = |kind: Value, chosen: Value, idle_s| {
            let (field, default) = ("idle_timeout".to_owned(), Value::from(0));
            let other = ("profile".to_owned(), Value::from("a"), Value::Null);
            let specs = [(&other.0, &other.1, &other.2), (&field, &default, &kind)];
            let chosen = chosen.as_object().cloned().unwrap();
            second_guard(specs, &chosen, idle_s).map(|(_, value)| value)
        };
        let float = json!({"type": "float", "min": 0, "max": 3600});
        assert_eq!(guard(float.clone(), json!({}), 600), Some(json!(1200.0)));
        assert_eq!(
            guard(float.clone(), json!({"idle_timeout": 0.0}), 2400),
            Some(json!(3600.0))
        );
        assert_eq!(
            guard(float.clone(), json!({"idle_timeout": 90}), 600),
            None,
            "the user's own choice stays"
        );
        assert_eq!(guard(float, json!({}), 3600), None, "it would act before us");
        let int = json!({"type": "int", "min": null, "max": null});
        assert_eq!(guard(int, json!({}), 60), Some(json!(120)));
        assert_eq!(guard(json!({"type": "string"}), json!({}), 60), None);
    }
}
