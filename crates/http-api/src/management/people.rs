//! The erasure of what is stored about a person, in two steps.

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    call::{Call, moment},
    fault::Fault,
    trail::parsed_nik,
};

/// A person.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    /// The 16 digits of the identity number.
    nik: String,
}

/// What an erasure would remove.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasurePreview {
    /// Face templates that would be deleted.
    templates: u64,
    /// Rows of the audit trail that would no longer identify the person.
    audit_rows: u64,
    /// Ids of keys under which rows exist and which `store.person_key` lacks: these rows are not searched.
    unknown_person_keys: Vec<String>,
    /// Confirms the erasure of this person's data by this operator.
    confirmation: String,
    valid_until: String,
}

/// A confirmed erasure.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    /// The 16 digits of the identity number.
    nik: String,
    /// `confirmation` of the preview.
    confirmation: String,
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Erased {
    templates: u64,
    audit_rows: u64,
    /// Rows that identify the person still, since they were written meanwhile: erase again.
    rows_left: u64,
}

pub(super) async fn preview(call: Call) -> Result<HttpResponse, Fault> {
    let Person { nik } = call.json()?;
    let preview = call.mandate.preview_erasure(&parsed_nik(&nik)?).await?;
    Ok(HttpResponse::Ok().json(ErasurePreview {
        templates: preview.stored.templates,
        audit_rows: preview.stored.audit_rows,
        unknown_person_keys: preview.unknown_person_keys,
        confirmation: preview.confirmation,
        valid_until: moment(preview.valid_until),
    }))
}

pub(super) async fn erase(call: Call) -> Result<HttpResponse, Fault> {
    let Erasure { nik, confirmation } = call.json()?;
    let erased = call.mandate.erase(&parsed_nik(&nik)?, &confirmation).await?;
    let erased = erased.ok_or_else(|| {
        Fault::Conflict(
            "the confirmation is not that of this person's preview by this operator, or it has expired"
                .to_owned(),
        )
    })?;
    Ok(HttpResponse::Ok().json(Erased {
        templates: erased.templates,
        audit_rows: erased.audit_rows,
        rows_left: erased.rows_left,
    }))
}
