//! Fills a registry and a store by COPY, both at the same time.

use std::{fs, time::Instant};

use anyhow::{Context as _, Result};
use padan_domain::{Embedding, ModelContractId};
use padan_store::{Store, StoredTemplate, TemplateContent, TemplateCopy};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

use crate::{
    niks::Nik,
    people,
    server::Server,
    site::{SEED, store},
};

/// The number of people in one message.
const CHUNK: usize = 4096;
/// Components of an embedding of the default model set.
const COMPONENTS: usize = 128;

/// The time to fill the databases of one size.
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
    /// The creation of the primary key, after the rows.
    key: f64,
}

impl Filled {
    /// The figures as a line of text.
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

/// Creates and fills the databases of one size, which must not exist.
pub(crate) async fn fill(server: &Server, people: usize, contract: &ModelContractId) -> Result<Filled> {
    let began = Instant::now();
    let mut administrator = server.administer().await?;
    for kind in ["registry", "store"] {
        administrator.execute(AssertSqlSafe(format!("CREATE DATABASE {kind}_{people}"))).await?;
    }
    let niks = Nik::generate(people, SEED);
    let registry = server.connect(&format!("registry_{people}")).await?;
    let target = store(server, &people.to_string())?;
    target.migrate().await?;
    let templates = server.connect(&format!("store_{people}")).await?;
    let (for_store, contract) = (niks.clone(), contract.clone());
    let (registry, store) = tokio::join!(
        tokio::spawn(async move { fill_registry(registry, &niks).await }),
        tokio::spawn(async move { fill_store(templates, &target, &for_store, &contract).await })
    );
    Ok(Filled { people, registry: registry??, store: store??, seconds: began.elapsed().as_secs_f64() })
}

async fn fill_registry(mut connection: PgConnection, niks: &[Nik]) -> Result<Seconds> {
    connection.execute(include_str!("registry.sql")).await?;
    let portraits = insert_portraits(&mut connection).await?;
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

/// Inserts the demo's portraits, and returns their number.
async fn insert_portraits(connection: &mut PgConnection) -> Result<u64> {
    let mut files: Vec<_> = fs::read_dir("people/images")
        .context("cannot read people/images: run padan-scale in the root of the checkout")?
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

async fn fill_store(
    mut connection: PgConnection,
    store: &Store,
    niks: &[Nik],
    contract: &ModelContractId,
) -> Result<Seconds> {
    begin(&mut connection).await?;
    connection.execute("ALTER TABLE store.face_template DROP CONSTRAINT face_template_pkey").await?;
    connection.execute("TRUNCATE store.face_template").await?;
    let began = Instant::now();
    let mut random = StdRng::seed_from_u64(SEED);
    let mut rows = TemplateCopy::new(&store.templates(), contract);
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

/// Begins the transaction that truncates the table. PostgreSQL then neither logs the copied rows nor freezes them
/// later.
async fn begin(connection: &mut PgConnection) -> Result<()> {
    connection.execute("SET maintenance_work_mem = '512MB'").await?;
    connection.execute("BEGIN").await?;
    Ok(())
}

/// A template with a random embedding, for the portrait in the registry.
pub(crate) fn template(nik: Nik, random: &mut StdRng) -> Result<StoredTemplate> {
    let output: Vec<f32> = (0..COMPONENTS).map(|_| random.random_range(-1.0..1.0)).collect();
    Ok(StoredTemplate {
        portrait_updated_at: people::portrait_updated_at(nik),
        content: TemplateContent::Usable {
            embedding: Embedding::from_output(&output)?,
            covered: Some(false),
        },
        decoder_version: 1,
    })
}
