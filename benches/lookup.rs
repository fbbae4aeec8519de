//! The cost of look-ups in small databases, which fit into the server's buffers: `padan-demo cluster -- cargo bench -p
//! padan-benches --bench lookup`. `make scale` measures how the cost grows with the number of people.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up panics with a message")]

use std::{fs, path::Path};

use chrono::{NaiveDate, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use padan_domain::{CitizenStatus, Embedding, ModelContractId, NationalId};
use padan_registry::{FurtherFields, Registry, SamplePerson, SampleRegistry};
use padan_store::{Store, StoredTemplate, TemplateContent, TemplateCopy};
use padan_testing::TestDatabase;
use tokio::runtime::Runtime;

/// The sections of `config/default.toml` that are needed here.
#[derive(serde::Deserialize)]
struct Settings {
    registry: padan_registry::Config,
    store: padan_store::Config,
}

struct Site {
    registry: Registry,
    store: Store,
    _databases: [TestDatabase; 2],
}

/// The NIKs of a person with an embedding and of a person without one, and a NIK that does not exist.
const NIKS: [&str; 3] = ["3174011403870000", "3273064211940000", "3578156907790000"];

fn lookups(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let site = runtime.block_on(site());
    let contract = contract();
    let [usable, unusable, unknown] = NIKS.map(nik);
    for (what, nik) in [("registry: a citizen", &usable), ("registry: an unknown NIK", &unknown)] {
        criterion.bench_function(what, |b| {
            b.to_async(&runtime)
                .iter(async || site.registry.citizen(nik).await.expect("the registry answers"));
        });
    }
    criterion.bench_function("registry: every field", |b| {
        b.to_async(&runtime)
            .iter(async || site.registry.civil_record(&usable).await.expect("the registry answers"));
    });
    for (what, nik) in [
        ("store: a template, decrypted", &usable),
        ("store: the record of an unusable portrait", &unusable),
        ("store: an unknown NIK", &unknown),
    ] {
        criterion.bench_function(what, |b| {
            b.to_async(&runtime)
                .iter(async || site.store.templates().get(nik, &contract).await.expect("the store answers"));
        });
    }
    let template = template(true);
    criterion.bench_function("template: hash the NIK and seal", |b| {
        b.iter(|| {
            let mut rows = TemplateCopy::new(&site.store.templates(), &contract);
            rows.add(&usable, &template).expect("it can be sealed");
            rows.take()
        });
    });
}

async fn site() -> Site {
    let databases = [TestDatabase::create().await, TestDatabase::create().await];
    let shipped = root().join("config/default.toml");
    let shipped = fs::read_to_string(shipped).expect("config/default.toml is there");
    let mut settings: Settings = toml::from_str(&shipped).expect("the shipped settings parse");
    settings.registry.urls = vec![databases[0].url().into()];
    settings.store.url = databases[1].url().into();
    settings.store.person_key = Some("0123456789abcdef".repeat(4).into());
    settings.store.template_keys = Some("89abcdef01234567".repeat(4).into());
    settings.store.audit_keys = Some("456789abcdef0123".repeat(4).into());
    let registry = Registry::new(&settings.registry).expect("the registry's settings work");
    let store = Store::new(&settings.store).expect("the store's settings work");
    store.migrate().await.expect("the store is migrated");
    let mut sample =
        SampleRegistry::connect(&databases[0].url().into()).await.expect("the registry's database");
    sample.migrate().await.expect("the registry is migrated");
    let portrait = fs::read(root().join("people/images/101_id.jpg")).expect("people/images is there");
    for (number, digits) in NIKS[..2].iter().enumerate() {
        let person = SamplePerson {
            nik: nik(digits),
            name: "Budi Santoso".to_owned(),
            date_of_birth: NaiveDate::from_ymd_opt(1987, 3, 14).expect("a date"),
            status: CitizenStatus::Active,
            further: FurtherFields::default(),
            portrait: Some((portrait.clone().into(), Utc::now())),
        };
        sample.put(&person).await.expect("the person is loaded");
        let saved = store.templates().save(&person.nik, &contract(), &template(number == 0)).await;
        saved.expect("the template is saved");
    }
    Site { registry, store, _databases: databases }
}

fn nik(digits: &str) -> NationalId {
    digits.parse().expect("16 digits")
}

fn contract() -> ModelContractId {
    ModelContractId::from_digest(&[0xab; 32])
}

fn template(is_usable: bool) -> StoredTemplate {
    let output: Vec<f32> = (0..128_u8).map(|i| f32::from(i).sin()).collect();
    let content = if is_usable {
        TemplateContent::Usable {
            embedding: Embedding::from_output(&output).expect("a direction"),
            covered: Some(false),
        }
    } else {
        TemplateContent::Unusable("NO_FACE".to_owned())
    };
    StoredTemplate { portrait_updated_at: Utc::now(), content, decoder_version: 1 }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

criterion_group!(benches, lookups);
criterion_main!(benches);
