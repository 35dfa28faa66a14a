use serde_json::json;

use super::*;

async fn fresh() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    (folder, store)
}

fn form(value: Value) -> FormValues {
    value.as_object().cloned().unwrap()
}

fn named(name: &str) -> CreatePreset {
    CreatePreset {
        name: name.to_owned(),
        form: form(json!({"options": {"profile": name}, "later": [1]})),
    }
}

fn words<T: std::fmt::Debug>(result: Result<T, PresetError>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn presets_are_kept_by_gateway_and_name() {
    let (folder, store) = fresh().await;
    let here = Presets::new(store.clone(), "http://here");
    here.create(named(" Zeta ")).await.unwrap();
    here.create(named("alpha")).await.unwrap();
    Presets::new(store.clone(), "embedded")
        .create(named("alpha"))
        .await
        .unwrap();
    drop((here, store));

    let store = Store::open(&folder.path().join("store.sqlite")).await.unwrap();
    let listed = Presets::new(store, "http://here").list().await.unwrap();
    let names: Vec<_> = listed.presets.iter().map(|preset| preset.name.as_str()).collect();
    assert_eq!(names, ["alpha", "Zeta"]);
    assert_eq!(
        listed.presets[0].form,
        named("alpha").form,
        "what is not known is kept too"
    );
    assert_eq!(listed.last, None);
}

#[tokio::test]
async fn a_name_is_given_once() {
    let (_folder, store) = fresh().await;
    let presets = Presets::new(store, "embedded");
    let first = presets.create(named("Taxi")).await.unwrap();
    let second = presets.create(named("other")).await.unwrap();
    let refused = words(presets.create(named("TAXI")).await);
    assert!(refused.contains("“Taxi” already"), "{refused}");
    let rename = |name: &str| ChangePreset {
        name: Some(name.to_owned()),
        ..ChangePreset::default()
    };
    let refused = words(presets.change(&second.id, rename("taxi")).await);
    assert!(refused.contains("“Taxi” already"), "{refused}");
    let renamed = presets.change(&first.id, rename("taxi")).await.unwrap();
    assert_eq!((renamed.name.as_str(), &renamed.form), ("taxi", &first.form));
}

#[tokio::test]
async fn one_at_most_is_the_default() {
    let (_folder, store) = fresh().await;
    let presets = Presets::new(store, "embedded");
    let (a, b) = (
        presets.create(named("a")).await.unwrap(),
        presets.create(named("b")).await.unwrap(),
    );
    let default = |default| ChangePreset {
        default: Some(default),
        ..ChangePreset::default()
    };
    presets.change(&a.id, default(true)).await.unwrap();
    presets.change(&b.id, default(true)).await.unwrap();
    let defaults = async || {
        let listed = presets.list().await.unwrap().presets;
        listed
            .into_iter()
            .filter(|preset| preset.default)
            .map(|preset| preset.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(defaults().await, ["b"]);
    // One that is not there takes the place of none.
    assert!(matches!(
        presets.change("gone", default(true)).await,
        Err(PresetError::NotFound)
    ));
    assert_eq!(defaults().await, ["b"]);
    presets.change(&b.id, default(false)).await.unwrap();
    assert_eq!(defaults().await, [""; 0]);
    presets.delete(&a.id).await.unwrap();
    assert!(matches!(presets.delete(&a.id).await, Err(PresetError::NotFound)));
}

#[tokio::test]
async fn what_can_be_no_preset_is_refused_with_its_reason() {
    let (_folder, store) = fresh().await;
    let presets = Presets::new(store, "embedded");
    for (name, value, said) in [
        ("  ".to_owned(), json!({"options": {}}), "needs a name"),
        ("a\nb".to_owned(), json!({"options": {}}), "one line"),
        (
            "x".repeat(61),
            json!({"options": {}}),
            "at most 60 characters; this one has 61",
        ),
        ("a".to_owned(), json!({}), "needs “options”"),
        ("a".to_owned(), json!({"options": [1]}), "needs “options”"),
        (
            "a".to_owned(),
            json!({"options": {}, "scaling": {"mode": "odd"}}),
            "scaling",
        ),
        (
            "a".to_owned(),
            json!({"options": {"x": "y".repeat(70_000)}}),
            "at most 65536",
        ),
    ] {
        let request = CreatePreset {
            name,
            form: form(value),
        };
        let refused = words(presets.create(request).await);
        assert!(refused.contains(said), "{said:?} in {refused}");
    }
    for n in 0..MOST {
        presets.create(named(&format!("p{n}"))).await.unwrap();
    }
    assert!(words(presets.create(named("one more")).await).contains("100 presets already"));
}

#[tokio::test]
async fn what_was_used_last_is_a_form_without_its_label() {
    let (_folder, store) = fresh().await;
    let presets = Presets::new(store, "embedded");
    let request = CreateCluster {
        options: form(json!({"profile": "Small Worker"})),
        label: Some("this one".to_owned()),
        scaling: Some(Scaling::Manual { workers: 2 }),
        lease: None,
    };
    presets.used(form_of(&request)).await;
    presets
        .used(form_of(&CreateCluster {
            scaling: None,
            ..request
        }))
        .await;
    let last = presets.list().await.unwrap().last.unwrap();
    assert_eq!(
        Value::Object(last),
        json!({"options": {"profile": "Small Worker"}})
    );
}
