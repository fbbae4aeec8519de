use super::*;

#[test]
fn only_a_row_with_rules_of_names_has_the_newer_signature() {
    let position = RowPosition {
        at: "2026-03-04T05:06:07.000001Z".parse().unwrap(),
        writer: "01999999-9999-7999-8999-999999999999".parse().unwrap(),
        sequence: 7,
    };
    let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
    let mut row = AuditRow::blank("request", position, "VERIFIED");
    row.request_id = Some("req-1".to_owned());
    row.client = Some("bank".to_owned());
    row.endpoint = Some("face-verification".to_owned());
    row.nik_plausible = Some(true);
    row.fields = r#"{"name":true}"#.to_owned();
    row.percentage = Some(82.04);
    row.milliseconds = 27.449;
    let previous: Vec<u8> = (0..32).collect();
    let signed = |row: &AuditRow| hex::encode(row.clone().signed(&previous, &keys).unwrap().mac);
    // Both computed in Python, the first as rows were signed before the column existed.
    assert_eq!(signed(&row), "b0b9c46c5cc9f35704a30db35c862b5f7a9b3da3d6eba72cab84b0048953057b");
    row.name_rules = Some(r#"{"name":["titles"]}"#.to_owned());
    assert_eq!(signed(&row), "9cb8e9f1cf32b256e35dc8d8f9fb7bf24befd92234e2e2208d98c7c2e8ac3c82");
    // Computed by tools/oracle/audit_signatures.py.
    row.sandbox = true;
    row.nik_plausible = None;
    assert_eq!(signed(&row), "af53de8625055de737051d948c9049643fff90a6638dd5bc9134243d52d1a43e");
    (row.sandbox, row.name_rules, row.spoof) = (false, None, Some(0.02611));
    assert_eq!(signed(&row), "8c9a0e69e8ab49bb088b9744f55bb2c8b11443319945b03ad05045e1ff04f791");
}

/// Rows that an earlier program signed together with the id of the request.
#[test]
fn an_earlier_row_with_a_person_stays_valid_and_its_request_id_is_covered() {
    let position = RowPosition {
        at: "2026-03-04T05:06:07.000001Z".parse().unwrap(),
        writer: "01999999-9999-7999-8999-999999999999".parse().unwrap(),
        sequence: 7,
    };
    let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
    let (key, salt) = (vec![1; 32], vec![2; 16]);
    let mut row = AuditRow::blank("request", position, "VERIFIED");
    row.request_id = Some("req-1".to_owned());
    row.person_seal = Some(seal(&key, &salt));
    (row.person_key, row.person_salt) = (Some(key), Some(salt));
    keys.current_id().clone_into(&mut row.key_id);
    row.mac = row.computed_mac(RowFormat::OpenRequest, b"before", &keys).unwrap();
    let format = |row: &AuditRow| row.signed_format(b"before", &keys);
    assert_eq!(format(&row), Ok(RowFormat::OpenRequest));
    assert!(row.person_is_sealed(RowFormat::OpenRequest));
    for request_id in [None, Some("req-2".to_owned())] {
        assert_eq!(format(&AuditRow { request_id, ..row.clone() }), Err(WrongSignature::Changed));
    }
}
