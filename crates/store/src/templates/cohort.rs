//! Cohorts: faces of many people, encrypted, which a calibration names by a digest of them.
//!
//! The id of a cohort is a digest of the digests of its members, so that nobody can exchange a face behind a scale. Only a
//! member who was forgotten may lack a face.

use padan_domain::{Embedding, ModelContractId};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    error::StoreError,
    handles::Templates,
    templates::{
        from_bytes,
        keys::{Sealed, TemplateKeys},
        sample::PersonHash,
        to_bytes,
    },
};

/// Somebody who is to be of a cohort.
#[derive(Debug)]
pub struct CohortMember {
    /// The person, if drawn from the store, so that the face is forgotten with the person.
    pub person: Option<PersonHash>,
    /// The face.
    pub embedding: Embedding,
}

/// How much of a cohort is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CohortState {
    /// The members, with those who were forgotten.
    pub members: usize,
    /// Members who were forgotten since.
    pub forgotten: usize,
}

/// A cohort that was decrypted.
#[derive(Debug)]
pub struct OpenedCohort {
    /// The faces of the members who were not forgotten.
    pub embeddings: Vec<Embedding>,
    /// How much of it is there.
    pub state: CohortState,
}

impl CohortState {
    /// The largest share that may be forgotten, as one of so many: what is left has to be the population that the scale was
    /// made with.
    const FORGOTTEN_OF: usize = 10;

    /// Whether so many were forgotten that another scale has to be made.
    pub fn is_worn_out(self) -> bool {
        self.forgotten * Self::FORGOTTEN_OF > self.members
    }
}

/// The rows of a cohort.
struct SealedCohort {
    id: String,
    contract: String,
    positions: Vec<i32>,
    people: Vec<Option<Vec<u8>>>,
    digests: Vec<Vec<u8>>,
    key_id: String,
    sealed: Vec<Vec<u8>>,
}

struct MemberRow {
    position: i32,
    contract_id: String,
    digest: Vec<u8>,
    key_id: Option<String>,
    sealed: Option<Vec<u8>>,
}

/// The bytes of a salt.
const SALT: usize = 32;

impl Templates {
    /// Encrypts and saves a cohort, and returns its id. Other cohorts that no active calibration names are deleted.
    ///
    /// # Errors
    ///
    /// When the store was opened without template keys, or fails.
    pub async fn save_cohort(
        &self,
        contract: &ModelContractId,
        members: &[CohortMember],
    ) -> Result<String, StoreError> {
        let cohort = SealedCohort::of(contract, members, self.0.template_keys()?)?;
        let query = || {
            sqlx::query!(
                "WITH gone AS (
                     DELETE FROM store.cohort_member AS kept
                      WHERE NOT EXISTS (SELECT FROM store.active_calibration WHERE strpos(file, kept.cohort_id) > 0)
                 )
                 INSERT INTO store.cohort_member (cohort_id, position, contract_id, person_key, digest, key_id, sealed)
                 SELECT $1, position, $2, person_key, digest, $3, sealed
                   FROM unnest($4::integer[], $5::bytea[], $6::bytea[], $7::bytea[])
                        AS new (position, person_key, digest, sealed)",
                cohort.id,
                cohort.contract,
                cohort.key_id,
                &cohort.positions,
                &cohort.people as &[Option<Vec<u8>>],
                &cohort.digests,
                &cohort.sealed
            )
        };
        self.0.pool().execute(query).await?;
        Ok(cohort.id)
    }

    /// How much of a cohort is there; `None` when there is no such cohort.
    ///
    /// # Errors
    ///
    /// [`StoreError::Inconsistent`] when it is not the one that has this id; otherwise when the store fails.
    pub async fn cohort_state(&self, id: &str) -> Result<Option<CohortState>, StoreError> {
        let query = || {
            sqlx::query_as!(
                MemberState,
                "SELECT contract_id, digest, key_id FROM store.cohort_member WHERE cohort_id = $1 ORDER BY position",
                id
            )
        };
        let rows = self.0.pool().fetch_all(query).await?;
        if rows.is_empty() { Ok(None) } else { state_of(id, &rows).map(Some) }
    }

    /// Decrypts a cohort; `None` when there is no such cohort.
    ///
    /// # Errors
    ///
    /// [`StoreError::Inconsistent`] when it is not the one that has this id, or is of another model contract;
    /// [`StoreError::UnknownKey`] when a key is missing; otherwise when the store fails.
    pub async fn cohort(
        &self,
        id: &str,
        contract: &ModelContractId,
    ) -> Result<Option<OpenedCohort>, StoreError> {
        let query = || {
            sqlx::query_as!(
                MemberRow,
                "SELECT position, contract_id, digest, key_id, sealed
                   FROM store.cohort_member
                  WHERE cohort_id = $1
                  ORDER BY position",
                id
            )
        };
        let rows = self.0.pool().fetch_all(query).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let states: Vec<_> = rows.iter().map(MemberRow::state).collect();
        let state = state_of(id, &states)?;
        if rows.iter().any(|row| row.contract_id != contract.as_str()) {
            return Err(inconsistent("contract_id"));
        }
        let keys = self.0.template_keys()?;
        let embeddings = rows.into_iter().filter_map(|row| row.open(id, keys).transpose());
        Ok(Some(OpenedCohort { embeddings: embeddings.collect::<Result<_, _>>()?, state }))
    }

    /// Encrypts members of all cohorts again that have another key than the current one; returns how many, and how many no
    /// key decrypts.
    pub(crate) async fn reseal_cohorts(&self) -> Result<(u64, u64), StoreError> {
        let keys = self.0.template_keys()?;
        let (mut resealed, mut unreadable) = (0, 0);
        let query = || {
            sqlx::query!(
                "SELECT cohort_id, position, key_id, sealed FROM store.cohort_member WHERE key_id <> $1",
                keys.current_id()
            )
        };
        for row in self.0.pool().fetch_all(query).await? {
            let (Some(key_id), Some(bytes)) = (row.key_id, row.sealed) else { continue };
            let context = context(&row.cohort_id, row.position);
            match keys.open(&Sealed { key_id, bytes: bytes.clone() }, &context) {
                Ok(Some(plain)) => {
                    let sealed = keys.seal(&Zeroizing::new(plain), &context)?;
                    let query = || {
                        sqlx::query!(
                            "UPDATE store.cohort_member
                                SET key_id = $1,
                                    sealed = $2
                              WHERE cohort_id = $3
                                AND position = $4
                                AND sealed = $5",
                            sealed.key_id,
                            sealed.bytes,
                            row.cohort_id,
                            row.position,
                            bytes
                        )
                    };
                    resealed += self.0.pool().execute(query).await?;
                }
                Ok(None) | Err(StoreError::UnknownKey(_)) => unreadable += 1,
                Err(error) => return Err(error),
            }
        }
        Ok((resealed, unreadable))
    }
}

/// What tells whether a cohort is there, without its faces.
struct MemberState {
    contract_id: String,
    digest: Vec<u8>,
    key_id: Option<String>,
}

fn inconsistent(column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "store.cohort_member", column }
}

/// The associated data of the encryption of a member.
fn context(id: &str, position: i32) -> Vec<u8> {
    [&b"padan cohort 1\0"[..], id.as_bytes(), &position.to_be_bytes()].concat()
}

fn digest_of(salted: &[u8]) -> Vec<u8> {
    Sha256::new().chain_update(b"padan cohort member 1\0").chain_update(salted).finalize().to_vec()
}

fn id_of<'a>(contract: &str, digests: impl Iterator<Item = &'a Vec<u8>>) -> String {
    let hash = Sha256::new().chain_update(b"padan cohort 1\0").chain_update(contract);
    hex::encode(&digests.fold(hash, Sha256::chain_update).finalize()[..16])
}

/// Checks that the rows are those of the cohort with this id.
fn state_of(id: &str, rows: &[MemberState]) -> Result<CohortState, StoreError> {
    let contract = rows.first().map_or("", |row| &row.contract_id);
    if id_of(contract, rows.iter().map(|row| &row.digest)) != id {
        return Err(inconsistent("digest"));
    }
    let forgotten = rows.iter().filter(|row| row.key_id.is_none()).count();
    Ok(CohortState { members: rows.len(), forgotten })
}

impl SealedCohort {
    fn of(
        contract: &ModelContractId,
        members: &[CohortMember],
        keys: &TemplateKeys,
    ) -> Result<Self, StoreError> {
        let salted = members.iter().map(|member| {
            let mut salt = [0; SALT];
            getrandom::fill(&mut salt).map_err(|_| StoreError::no_random_bytes())?;
            let embedding = Zeroizing::new(to_bytes(&member.embedding));
            Ok(Zeroizing::new([&salt[..], &embedding].concat()))
        });
        let salted = salted.collect::<Result<Vec<_>, StoreError>>()?;
        let digests: Vec<_> = salted.iter().map(|salted| digest_of(salted)).collect();
        let id = id_of(contract.as_str(), digests.iter());
        let positions: Vec<_> = (0..).take(members.len()).collect();
        let sealed = positions
            .iter()
            .zip(&salted)
            .map(|(position, salted)| keys.seal(salted, &context(&id, *position)).map(|sealed| sealed.bytes));
        Ok(Self {
            sealed: sealed.collect::<Result<_, _>>()?,
            contract: contract.as_str().to_owned(),
            positions,
            people: members.iter().map(|member| member.person.map(|person| person.key().to_vec())).collect(),
            digests,
            key_id: keys.current_id().to_owned(),
            id,
        })
    }
}

impl MemberRow {
    fn state(&self) -> MemberState {
        let Self { contract_id, digest, key_id, .. } = self;
        MemberState { contract_id: contract_id.clone(), digest: digest.clone(), key_id: key_id.clone() }
    }

    /// The face; `None` when it was forgotten.
    fn open(self, id: &str, keys: &TemplateKeys) -> Result<Option<Embedding>, StoreError> {
        let (Some(key_id), Some(bytes)) = (self.key_id, self.sealed) else { return Ok(None) };
        let salted = keys.open(&Sealed { key_id, bytes }, &context(id, self.position))?.map(Zeroizing::new);
        let salted = salted.filter(|salted| digest_of(salted) == self.digest);
        let embedding = salted.as_ref().and_then(|salted| from_bytes(salted.get(SALT..)?));
        embedding.map(Some).ok_or_else(|| inconsistent("sealed"))
    }
}
