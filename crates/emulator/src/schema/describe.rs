//! The describe answers: an object's entry and its fields, every key that clients read.

use serde_json::{Map, Value, json};

use super::{Field, Kind, Object, OnDelete, Schema};

/// An object as the list of all objects shows it.
pub(crate) fn global_entry(object: &Object, base: &str) -> Value {
    json!({
        "activateable": false, "createable": object.writable, "custom": object.custom,
        "customSetting": false, "deepCloneable": false, "deletable": object.writable,
        "deprecatedAndHidden": false, "feedEnabled": false, "hasSubtypes": false,
        "isInterface": false, "isSubtype": false, "keyPrefix": object.prefix,
        "label": object.label, "labelPlural": object.label_plural, "layoutable": object.writable,
        "mergeable": false, "mruEnabled": false, "name": object.name, "queryable": true,
        "replicateable": true, "retrieveable": true, "searchable": false,
        "triggerable": object.writable, "undeletable": object.writable,
        "updateable": object.writable, "urls": urls(object, base),
    })
}

/// The addresses of an object's resources.
fn urls(object: &Object, base: &str) -> Value {
    let own = format!("{base}/sobjects/{}", object.name);
    json!({
        "sobject": own, "describe": format!("{own}/describe"),
        "rowTemplate": format!("{own}/{{ID}}"),
    })
}

/// The describe of one object.
pub(crate) fn describe(schema: &Schema, object: &Object, base: &str) -> Value {
    let mut body = global_entry(object, base);
    let fields: Vec<_> = object.fields.iter().map(|one| field_entry(object, one)).collect();
    let children = object.children.iter().map(|child| {
        let kid = &schema.objects[child.object];
        child_entry(kid, &kid.fields[child.field], child.on_delete)
    });
    let more = json!({
        "actionOverrides": [], "childRelationships": children.collect::<Vec<_>>(),
        "compactLayoutable": object.writable, "fields": fields, "listviewable": null,
        "lookupLayoutable": null, "namedLayoutInfos": [], "networkScopeFieldName": null,
        "recordTypeInfos": [], "searchLayoutable": object.writable,
        "supportedScopes": [{
            "label": format!("All {}", object.label_plural), "name": "everything",
        }],
    });
    merge(&mut body, more);
    body
}

fn child_entry(child: &Object, field: &Field, on_delete: OnDelete) -> Value {
    json!({
        "cascadeDelete": on_delete == OnDelete::Cascade, "childSObject": child.name,
        "deprecatedAndHidden": false, "field": field.name, "junctionIdListNames": [],
        "junctionReferenceTo": [], "relationshipName": child_relationship(child, field),
        "restrictedDelete": on_delete == OnDelete::Restrict,
    })
}

fn child_relationship(child: &Object, field: &Field) -> Option<String> {
    let target = field.target.as_ref()?;
    if target.object == "User" {
        return None;
    }
    let plural = match child.name.strip_suffix("__c") {
        Some(bare) => format!("{bare}s__r"),
        None => {
            child.name.strip_suffix('y').map_or(format!("{}s", child.name), |y| format!("{y}ies"))
        }
    };
    Some(target.child_relationship.clone().unwrap_or(plural))
}

fn field_entry(object: &Object, field: &Field) -> Value {
    let mut entry = limits(field);
    merge(&mut entry, rights(object, field));
    merge(&mut entry, reference(field));
    merge(&mut entry, constants());
    entry
}

fn limits(field: &Field) -> Value {
    let picklist = field.picklist.iter().map(|choice| {
        json!({
            "active": choice.active, "defaultValue": choice.default, "label": choice.label,
            "validFor": null, "value": choice.value,
        })
    });
    json!({
        "name": field.name, "label": field.label, "type": field.kind.wire(),
        "soapType": field.kind.soap(), "length": field.length, "byteLength": field.length * 3,
        "digits": if field.kind == Kind::Int { field.precision } else { 0 },
        "precision": if field.kind == Kind::Int { 0 } else { field.precision },
        "scale": field.scale, "autoNumber": field.auto_number,
        "calculated": field.derived && matches!(field.name.as_str(), "TotalAmount" | "TotalPrice"),
        "caseSensitive": field.case_sensitive, "compoundFieldName": field.compound,
        "custom": field.custom, "externalId": field.external_id, "idLookup": field.id_lookup(),
        "nameField": field.name_field, "picklistValues": picklist.collect::<Vec<_>>(),
        "restrictedPicklist": field.restricted, "unique": field.unique,
        "extraTypeInfo": (field.kind == Kind::Area).then_some("plaintextarea"),
        "defaultValue": field.default.json(field.kind),
    })
}

fn rights(object: &Object, field: &Field) -> Value {
    let filterable = field.filterable();
    let defaulted = !field.default.is_null() || field.derived || field.name == "OwnerId";
    json!({
        "createable": field.createable && object.writable,
        "updateable": field.updateable && object.writable,
        "nillable": !field.required && field.kind != Kind::Bool && field.name != "OwnerId",
        "defaultedOnCreate": defaulted, "filterable": filterable, "sortable": filterable,
        "groupable": filterable && !field.kind.is_number(),
        "aggregatable": filterable && field.kind != Kind::Bool,
        "permissionable": field.custom && !field.required,
    })
}

fn reference(field: &Field) -> Value {
    let target = field.target.as_ref();
    json!({
        "referenceTo": target.map(|to| vec![to.object.clone()]).unwrap_or_default(),
        "relationshipName": target.and_then(|to| to.relationship.clone()),
        "relationshipOrder": target.filter(|to| to.master).map(|_| 0),
        "cascadeDelete": target.is_some_and(|to| to.on_delete == OnDelete::Cascade),
        "restrictedDelete": target.is_some_and(|to| to.on_delete == OnDelete::Restrict),
        "writeRequiresMasterRead": target.is_some_and(|to| to.master),
    })
}

/// Keys that are the same for every field of this org.
fn constants() -> Value {
    json!({
        "aiPredictionField": false, "calculatedFormula": null, "controllerName": null,
        "defaultValueFormula": null, "dependentPicklist": false, "deprecatedAndHidden": false,
        "displayLocationInDecimal": false, "encrypted": false, "filteredLookupInfo": null,
        "formulaTreatNullNumberAsZero": false, "highScaleNumber": false, "htmlFormatted": false,
        "inlineHelpText": null, "mask": null, "maskType": null, "namePointing": false,
        "polymorphicForeignKey": false, "queryByDistance": false, "referenceTargetField": null,
        "searchPrefilterable": false,
    })
}

fn merge(into: &mut Value, more: Value) {
    let target: &mut Map<String, Value> = into.as_object_mut().expect("built as an object");
    if let Value::Object(more) = more {
        target.extend(more);
    }
}
