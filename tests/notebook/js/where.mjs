// Where the modules under test lie.
export const STATIC = new URL("../../../src/bgrem_notebook/static/", import.meta.url);

export const load = (name) => import(new URL(`${name}.mjs`, STATIC));
