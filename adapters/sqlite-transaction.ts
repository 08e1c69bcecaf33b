import type { DatabaseSync } from 'node:sqlite';

/** Does the work whole or not at all. @throws what the work or the database throws; nothing of it has been done then */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
