use padan_domain::{Endpoint, PersonName, ReasonCode};
use padan_verification::{
    BasicField, BasicOutcome, BasicRequest, Caller, FieldText, FieldValue, Sandbox, Verifier,
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;
use utoipa::openapi::{
    ObjectBuilder, Schema,
    schema::{SchemaType, Type},
};

use crate::{
    endpoint_docs::{EndpointDocs, card_field, nik_field, text_field},
    form::Form,
    refusal::Refusal,
    verification::{Compared, Findings, Verdict, Verification},
};

/// The reasons of answers, beside those of every endpoint.
const REASONS: &[ReasonCode] = &[
    ReasonCode::Verified,
    ReasonCode::NikNotFound,
    ReasonCode::NikDeceased,
    ReasonCode::NikDuplicate,
    ReasonCode::NikInactive,
    ReasonCode::NameMismatch,
    ReasonCode::DobMismatch,
    ReasonCode::FieldMismatch,
    ReasonCode::MalformedForm,
    ReasonCode::MissingField,
    ReasonCode::InvalidNik,
    ReasonCode::InvalidName,
    ReasonCode::InvalidDob,
    ReasonCode::InvalidField,
    ReasonCode::UnsupportedMediaType,
    ReasonCode::TooManyFailedFields,
    ReasonCode::RegistryUnavailable,
];

/// The body of an answer with a result.
#[derive(Debug, Serialize)]
pub(crate) struct BasicAnswer {
    verification_status: bool,
    reason: String,
    result: BasicResult,
}

/// `nik` and the fields that were sent, in the order of [`BasicField::ALL`].
#[derive(Debug)]
pub(crate) struct BasicResult {
    nik: Option<bool>,
    fields: Vec<(BasicField, Option<bool>)>,
}

/// `POST /identity/v1/verification`: text fields against the civil registry, without a face.
pub(crate) struct BasicVerification;

impl Verification for BasicVerification {
    const ENDPOINT: Endpoint = Endpoint::Verification;
    const PATH: &'static str = "/identity/v1/verification";
    type Claims = BasicRequest;
    type Body = BasicAnswer;

    const PHOTOS: &'static [&'static str] = &[];

    fn fields() -> Vec<&'static str> {
        BasicField::ALL.iter().map(|field| field.as_str()).chain(["nik"]).collect()
    }

    fn parse(
        form: &Form,
        caller: &Caller,
        verifier: &Verifier,
        findings: &mut Findings,
    ) -> Result<BasicRequest, Refusal> {
        let nik = form.required("nik", |text| Ok(verifier.national_id(text, caller)?))?;
        findings.nik = Some(nik.clone());
        let mut claims = Vec::new();
        for field in BasicField::ALL {
            let claim = form.optional(field.as_str(), |text| {
                Ok(match field {
                    BasicField::Name => FieldValue::Name(PersonName::parse(text)?),
                    BasicField::DateOfBirth => FieldValue::DateOfBirth(verifier.birth_date(text)?),
                    BasicField::MotherMaidenName => FieldValue::MotherMaidenName(PersonName::parse(text)?),
                    _ => FieldValue::Text(*field, FieldText::parse(*field, text)?),
                })
            })?;
            let is_granted = caller.may_compare(*field);
            claims.extend(claim.map(|claim| if is_granted { claim } else { FieldValue::NotGranted(*field) }));
        }
        let request = BasicRequest { client: caller.client.name.clone(), nik, claims };
        findings.nik_plausible = request.nik_is_plausible();
        let not_compared: Vec<_> = request.claims.iter().map(|claim| (claim.field(), None)).collect();
        findings.compared.fields = named(None, &not_compared);
        Ok(request)
    }

    async fn verify(verifier: &Verifier, claims: BasicRequest) -> Result<Verdict<BasicAnswer>, Refusal> {
        Ok(verdict(verifier.verify_fields(claims, verifier.deadline()).await?))
    }

    async fn rehearse(sandbox: &Sandbox, claims: BasicRequest) -> Result<Verdict<BasicAnswer>, Refusal> {
        Ok(verdict(sandbox.verify_fields(&claims)?))
    }

    fn outage(reason: ReasonCode, findings: &Findings) -> Option<BasicAnswer> {
        let was_sent =
            |field: &&BasicField| findings.compared.fields.iter().any(|(name, _)| *name == field.as_str());
        let sent: Vec<_> = BasicField::ALL.iter().filter(was_sent).copied().collect();
        Some(BasicAnswer::from(BasicOutcome::unavailable(reason, &sent)))
    }

    fn docs() -> EndpointDocs {
        let form = ObjectBuilder::new().property("nik", nik_field()).required("nik");
        let form: Schema = BasicField::ALL
            .iter()
            .fold(form, |form, field| form.property(field.as_str(), card_field(*field)))
            .into();
        EndpointDocs {
            summary: "Basic verification",
            description: "Compares claims about a person with the civil registry, without a face. `nik` is \
                          required, any of the other fields may be sent, but not empty. Texts are compared without regard to case, \
                          accents, punctuation and doubled spaces. The reason is the first failure in the order of \
                          the fields; a field without a text of its own says `<field> does not match`. A field that \
                          the registry does not know, or that the client may not have compared, is `null` and fails \
                          nothing: `verification_status` says that nothing which could be compared differs, so check \
                          the fields as well. `no_kk` and `mother_maiden_name` are compared only for clients to which \
                          they were granted.",
            operation_id: "verifyFields",
            form: ("BasicForm", form.clone()),
            json: ("BasicJson", form),
            answer: "BasicAnswer",
            schemas: vec![("BasicAnswer", answer_schema().into())],
            reasons: REASONS,
            example,
        }
    }
}

fn verdict(mut outcome: BasicOutcome) -> Verdict<BasicAnswer> {
    let trial = outcome.trial.take();
    let name_rules = outcome.name_rules.iter().map(|(field, matched)| (field.as_str(), *matched));
    Verdict {
        reason: outcome.reason,
        timings: outcome.timings,
        compared: Compared {
            fields: named(outcome.nik, &outcome.fields),
            name_rules: name_rules.collect(),
            ..Compared::default()
        },
        body: BasicAnswer::from(outcome),
        trial,
    }
}

/// The results of the NIK and of the fields, by the names that the audit trail records.
fn named(nik: Option<bool>, fields: &[(BasicField, Option<bool>)]) -> Vec<(&'static str, Option<bool>)> {
    let fields = fields.iter().map(|(field, matches)| (field.as_str(), *matches));
    [("nik", nik)].into_iter().chain(fields).collect()
}

/// The schema of an answer with a result.
fn answer_schema() -> Schema {
    let nullable_boolean =
        || ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Boolean, Type::Null]));
    let result = BasicField::ALL
        .iter()
        .fold(ObjectBuilder::new().property("nik", nullable_boolean()), |result, field| {
            result.property(field.as_str(), nullable_boolean())
        })
        .description(Some(
            "`nik` and each field that was sent. Null means that the field was not compared, that the client \
             may not have it compared, or that the registry has no value for it.",
        ))
        .required("nik");
    ObjectBuilder::new()
        .property("verification_status", ObjectBuilder::new().schema_type(Type::Boolean))
        .property("reason", text_field("The outcome in words."))
        .property("result", result)
        .required("verification_status")
        .required("reason")
        .required("result")
        .into()
}

/// An example body for each reason with a result.
fn example(reason: ReasonCode) -> Option<Value> {
    let sent = [BasicField::Name, BasicField::City];
    let answer = |nik, name, city| {
        let differs = (reason == ReasonCode::FieldMismatch).then_some(BasicField::City);
        let fields = sent.into_iter().zip([name, city]).collect();
        Some(BasicOutcome { differs, nik, fields, ..BasicOutcome::unavailable(reason, &sent) })
    };
    let outcome = match reason {
        ReasonCode::Verified => answer(Some(true), Some(true), Some(true)),
        ReasonCode::NikNotFound => answer(Some(false), None, None),
        ReasonCode::NikDeceased | ReasonCode::NikDuplicate | ReasonCode::NikInactive => {
            answer(Some(true), None, None)
        }
        ReasonCode::NameMismatch => answer(Some(true), Some(false), Some(true)),
        ReasonCode::DobMismatch => {
            let fields = vec![(BasicField::DateOfBirth, Some(false))];
            answer(Some(true), None, None).map(|outcome| BasicOutcome { fields, ..outcome })
        }
        ReasonCode::FieldMismatch => answer(Some(true), Some(true), Some(false)),
        ReasonCode::RegistryUnavailable | ReasonCode::StoreUnavailable => answer(None, None, None),
        _ => None,
    };
    outcome.and_then(|outcome| serde_json::to_value(BasicAnswer::from(outcome)).ok())
}

impl From<BasicOutcome> for BasicAnswer {
    fn from(outcome: BasicOutcome) -> Self {
        Self {
            verification_status: outcome.is_verified(),
            reason: outcome.differs.map_or_else(
                || outcome.reason.reason().to_owned(),
                |field| format!("{} does not match", field.as_str()),
            ),
            result: BasicResult { nik: outcome.nik, fields: outcome.fields },
        }
    }
}

impl Serialize for BasicResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len() + 1))?;
        map.serialize_entry("nik", &self.nik)?;
        for (field, matches) in &self.fields {
            map.serialize_entry(field.as_str(), matches)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use padan_verification::StepTimings;

    use super::*;

    fn body(outcome: BasicOutcome) -> String {
        serde_json::to_string(&BasicAnswer::from(outcome)).unwrap()
    }

    #[test]
    fn the_result_has_the_fields_that_were_sent() {
        let outcome = BasicOutcome {
            reason: ReasonCode::FieldMismatch,
            differs: Some(BasicField::City),
            nik: Some(true),
            fields: vec![
                (BasicField::Name, Some(true)),
                (BasicField::PlaceOfBirth, None),
                (BasicField::City, Some(false)),
            ],
            name_rules: Vec::new(),
            timings: StepTimings::default(),
            trial: None,
        };
        assert_eq!(
            body(outcome),
            r#"{"verification_status":false,"reason":"city does not match","result":{"nik":true,"name":true,"place_of_birth":null,"city":false}}"#
        );
    }

    #[test]
    fn an_outage_gives_no_result_for_any_field() {
        let outcome = BasicOutcome::unavailable(ReasonCode::RegistryUnavailable, &[BasicField::Name]);
        assert_eq!(
            body(outcome),
            r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null}}"#
        );
    }
}
