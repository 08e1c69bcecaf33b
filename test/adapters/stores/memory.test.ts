import { MemoryCheckpoints } from '../../../adapters/stores/memory.ts';
import { checkpointStoreContract } from './contract.ts';

checkpointStoreContract('memory', async () => ({ store: new MemoryCheckpoints() }));
