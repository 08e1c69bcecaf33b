import { join } from 'node:path';

/** The files of one pipeline's durable state. */
export const tapePath = (stateFolder: string) => join(stateFolder, 'tape.sqlite');
export const checkpointsPath = (stateFolder: string) => join(stateFolder, 'checkpoints.sqlite');
export const historyPath = (stateFolder: string) => join(stateFolder, 'history.duckdb');
export const secretsPath = (stateFolder: string) => join(stateFolder, 'secrets.json');
export const deliveriesPath = (stateFolder: string) => join(stateFolder, 'deliveries.sqlite');
