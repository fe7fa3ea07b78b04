//! Lists of the values that are kept back, with their links' records.

use super::SqlStore;
use crate::entity::field_errors::{Column, Entity, Model};
use crate::filters;
use duet_ports::inspect::{FieldErrorFilter, FieldErrorRow};
use duet_ports::store::StoreError;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

impl SqlStore {
    pub(super) async fn list_field_errors(
        &self,
        filter: &FieldErrorFilter,
    ) -> Result<Vec<FieldErrorRow>, StoreError> {
        let rows = Entity::find()
            .filter(filters::field_errors(filter))
            .order_by_asc(Column::Since)
            .order_by_asc(Column::Id)
            .limit(filter.limit)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("list field errors"))?;
        self.with_records(rows).await
    }

    pub(super) async fn field_errors_from(
        &self,
        prefix: &str,
    ) -> Result<Vec<FieldErrorRow>, StoreError> {
        let Some((first, last)) = filters::ids_from_prefix(prefix) else {
            return Ok(Vec::new());
        };
        let rows = Entity::find()
            .filter(Column::Id.between(first, last))
            .order_by_asc(Column::Id)
            .limit(super::lists::PREFIX_MAX)
            .all(&self.lists)
            .await
            .map_err(self.list_fault("list field errors"))?;
        self.with_records(rows).await
    }

    async fn with_records(&self, rows: Vec<Model>) -> Result<Vec<FieldErrorRow>, StoreError> {
        let records = self.records_of(rows.iter().map(|row| row.link)).await?;
        rows.into_iter()
            .map(|row| {
                let record = records.get(&row.link).cloned().unwrap_or_default();
                row.into_row(record)
            })
            .collect()
    }
}
