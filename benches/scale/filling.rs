//! Fills a registry and a store by COPY, both at once.

use std::{fs, time::Instant};

use anyhow::{Context as _, Result};
use padan_domain::Embedding;
use padan_store::{Store, StoredTemplate, TemplateContent, TemplateCopy};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

use crate::{
    niks::Nik,
    people,
    server::Server,
    site::{SEED, contract, store},
};

/// People who are sent at once.
const CHUNK: usize = 4096;
/// Components of an embedding of the default model set.
const COMPONENTS: usize = 128;

/// How long it took.
#[derive(Debug, Serialize)]
pub(crate) struct Filled {
    people: usize,
    registry: Seconds,
    store: Seconds,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Seconds {
    copy: f64,
    /// The primary key, which is made behind the rows.
    key: f64,
}

impl Filled {
    /// For people to read.
    pub(crate) fn line(&self) -> String {
        let rate = |seconds: f64| self.people as f64 / seconds / 1000.0;
        format!(
            "{} people in {:.1} s: registry COPY {:.1} s ({:.0} thousand rows/s), key {:.1} s; \
             store COPY {:.1} s ({:.0} thousand rows/s), key {:.1} s",
            self.people,
            self.seconds,
            self.registry.copy,
            rate(self.registry.copy),
            self.registry.key,
            self.store.copy,
            rate(self.store.copy),
            self.store.key
        )
    }
}

/// Makes the databases of a size. Whoever begins anew drops them first.
pub(crate) async fn fill(server: &Server, people: usize) -> Result<Filled> {
    let began = Instant::now();
    let mut administrator = server.administer().await?;
    for kind in ["registry", "store"] {
        administrator.execute(AssertSqlSafe(format!("CREATE DATABASE {kind}_{people}"))).await?;
    }
    let niks = Nik::generate(people, SEED);
    let registry = server.connect(&format!("registry_{people}")).await?;
    let kept = store(server, &people.to_string())?;
    kept.migrate().await?;
    let templates = server.connect(&format!("store_{people}")).await?;
    let for_store = niks.clone();
    let (registry, store) = tokio::join!(
        tokio::spawn(async move { fill_registry(registry, &niks).await }),
        tokio::spawn(async move { fill_store(templates, &kept, &for_store).await })
    );
    Ok(Filled { people, registry: registry??, store: store??, seconds: began.elapsed().as_secs_f64() })
}

async fn fill_registry(mut connection: PgConnection, niks: &[Nik]) -> Result<Seconds> {
    connection.execute(include_str!("registry.sql")).await?;
    let portraits = put_portraits(&mut connection).await?;
    begin(&mut connection).await?;
    connection.execute("TRUNCATE civil_registry.person").await?;
    let began = Instant::now();
    let mut copy = connection.copy_in_raw("COPY civil_registry.person FROM STDIN (FREEZE)").await?;
    for chunk in niks.chunks(CHUNK) {
        let mut text = String::with_capacity(CHUNK * 320);
        for nik in chunk {
            people::write_row(*nik, portraits, &mut text)?;
        }
        copy.send(text.as_bytes()).await?;
    }
    copy.finish().await?;
    let copied = began.elapsed().as_secs_f64();
    connection.execute("ALTER TABLE civil_registry.person ADD PRIMARY KEY (nik)").await?;
    connection.execute("COMMIT").await?;
    connection.execute("ANALYZE").await?;
    Ok(Seconds { copy: copied, key: began.elapsed().as_secs_f64() - copied })
}

/// The demo's portraits; gives their number.
async fn put_portraits(connection: &mut PgConnection) -> Result<u64> {
    let mut files: Vec<_> = fs::read_dir("people/images")
        .context("people/images is not here: start it in the checkout")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with("_id.jpg"))
        .collect();
    files.sort();
    for (number, file) in (1_i16..).zip(&files) {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        sqlx::query("INSERT INTO civil_registry.portrait VALUES ($1, $2)")
            .bind(number)
            .bind(bytes)
            .execute(&mut *connection)
            .await?;
    }
    Ok(files.len() as u64)
}

async fn fill_store(mut connection: PgConnection, store: &Store, niks: &[Nik]) -> Result<Seconds> {
    begin(&mut connection).await?;
    connection.execute("ALTER TABLE store.face_template DROP CONSTRAINT face_template_pkey").await?;
    connection.execute("TRUNCATE store.face_template").await?;
    let began = Instant::now();
    let mut random = StdRng::seed_from_u64(SEED);
    let mut rows = TemplateCopy::new(store, &contract());
    let mut copy = connection.copy_in_raw(TemplateCopy::STATEMENT).await?;
    for chunk in niks.chunks(CHUNK) {
        for nik in chunk {
            rows.add(&nik.parse()?, &template(*nik, &mut random)?)?;
        }
        copy.send(rows.take()).await?;
    }
    copy.send(rows.finish()).await?;
    copy.finish().await?;
    let copied = began.elapsed().as_secs_f64();
    connection
        .execute(
            "ALTER TABLE store.face_template
               ADD CONSTRAINT face_template_pkey PRIMARY KEY (person_key, contract_id)",
        )
        .await?;
    connection.execute("COMMIT").await?;
    connection.execute("ANALYZE").await?;
    Ok(Seconds { copy: copied, key: began.elapsed().as_secs_f64() - copied })
}

/// In one transaction with the table's emptying, rows are neither logged nor looked at again.
async fn begin(connection: &mut PgConnection) -> Result<()> {
    connection.execute("SET maintenance_work_mem = '512MB'").await?;
    connection.execute("BEGIN").await?;
    Ok(())
}

/// A template of the portrait that the registry has, of a face that nobody has.
pub(crate) fn template(nik: Nik, random: &mut StdRng) -> Result<StoredTemplate> {
    let output: Vec<f32> = (0..COMPONENTS).map(|_| random.random_range(-1.0..1.0)).collect();
    Ok(StoredTemplate {
        portrait_updated_at: people::portrait_updated_at(nik),
        content: TemplateContent::Usable(Embedding::from_output(&output)?),
    })
}
