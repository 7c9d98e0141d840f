import { compareMakes } from './compare.ts';
import { kpropScenarios } from './scenarios.ts';

compareMakes('kprop', kpropScenarios);
