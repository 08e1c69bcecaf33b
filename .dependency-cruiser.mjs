/** What each layer may import beside itself; the same table as in the architecture page. */
const layers = {
  core: { layers: [] },
  strategies: { layers: ['core'] },
  adapters: { layers: ['core'], packages: true, node: true },
  // The bundles carry the config; what wires a handler makes its clients and its telemetry.
  lambdas: { layers: ['core', 'adapters'], files: ['tapeline.config.ts'], packages: ['@aws-lambda-powertools', '@aws-sdk'], node: true },
  lib: { layers: ['core'], packages: ['aws-cdk-lib', 'constructs'], node: true },
  // The laptop's driver calls the very handler that Lambda calls.
  local: { layers: ['core', 'adapters', 'lambdas'], packages: ['commander'], node: true },
  web: { layers: ['core'] },
};

export default {
  forbidden: [
    ...Object.entries(layers).map(([layer, may]) => ({
      name: `${layer}-imports`,
      comment: `${layer}/ may import ${reach(layer, may)}`,
      severity: 'error',
      from: { path: `^${layer}/` },
      to: { pathNot: allowed(layer, may), ...(may.node && { dependencyTypesNot: ['core'] }) },
    })),
    {
      name: 'web-types-only',
      comment: 'web/ takes types from core/, no code',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^core/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'strategies-see-the-builder',
      comment: 'strategies/ may import core/strategy.ts, no other part of the core',
      severity: 'error',
      from: { path: '^strategies/' },
      to: { path: '^core/', pathNot: '^core/strategy[.]ts$' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-tests-in-the-product', severity: 'error', from: { pathNot: '^(test|bench)/' }, to: { path: '^(test|bench)/' } },
  ],
  options: {
    // TypeScript 7 has no interface for tools yet; swc reads the same syntax, type imports included.
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^\\.tapeline/' },
  },
};

function allowed(layer, { layers: others, files = [], packages = [] }) {
  const folders = [layer, ...others].map((name) => `^${name}/`);
  return [
    ...folders,
    ...files.map((name) => `^${name.replaceAll('.', '[.]')}$`),
    ...(packages === true ? ['node_modules/'] : packages.map((name) => `node_modules/${name}/`)),
  ];
}

function reach(layer, { layers: others, files = [], packages = [], node = false }) {
  return [layer, ...others, ...files, ...(packages === true ? ['packages'] : packages), ...(node ? ['Node'] : [])].join(', ');
}
