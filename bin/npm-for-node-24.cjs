// npm leaves out optional packages that its own Node is too old for, native parts among them. What it installs here runs on Node 24.
if (Number.parseInt(process.versions.node, 10) < 24) Object.defineProperty(process, 'version', { value: 'v24.0.0' });
