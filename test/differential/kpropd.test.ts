import { compareMakes } from './compare.ts';
import { kpropdScenarios } from './scenarios.ts';

compareMakes('kpropd', kpropdScenarios);
