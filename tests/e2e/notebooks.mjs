// Notebooks in JupyterLab, driven through its own application object (`--LabApp.expose_app_in_browser=True`).

/** The address that opens a notebook of this JupyterLab, alone in its workspace. */
export function address(lab, path) {
  return `${lab.base}lab/tree/${path}?reset&token=${lab.token}`;
}

/** Waits until the notebook and its kernel are there; returns the ids of its cells, in order. */
export async function open(page) {
  await page.waitForFunction(
    () => {
      const widget = window.jupyterapp?.shell.currentWidget;
      return (
        widget?.sessionContext?.session?.kernel?.status === 'idle' && widget.content.model?.cells.length > 0
      );
    },
    undefined,
    { timeout: 90_000 }
  );
  await page.evaluate(() => {
    window.e2eNotebook = window.jupyterapp.shell.currentWidget;
  });
  return page.evaluate(() => window.e2eNotebook.content.model.sharedModel.cells.map(cell => cell.id));
}

/** Makes the notebook the active document again. */
export async function activate(page) {
  await page.evaluate(() => window.jupyterapp.shell.activateById(window.e2eNotebook.id));
}

/** How many cells there are. */
export async function count(page) {
  return page.evaluate(() => window.e2eNotebook.content.model.cells.length);
}

/** The cell whose source holds `text`. */
export async function find(page, text) {
  return page.evaluate(text => {
    const cells = window.e2eNotebook.content.model.sharedModel.cells;
    const index = cells.findIndex(cell => cell.getSource().includes(text));
    return { index, source: cells[index]?.getSource() };
  }, text);
}

/** Runs the cell at `index` as Ctrl-Enter does, and fails where it raises. */
export async function run(t, page, index) {
  const outcome = await page.evaluate(async index => {
    const { content } = window.e2eNotebook;
    window.jupyterapp.shell.activateById(window.e2eNotebook.id);
    content.activeCellIndex = index;
    content.deselectAll();
    await window.jupyterapp.commands.execute('notebook:run-cell');
    const error = content.model.sharedModel.cells[index]
      .toJSON()
      .outputs?.find(output => output.output_type === 'error');
    return error ? error.traceback.join('\n') : null;
  }, index);
  t.ok(outcome === null, `cell ${index} raised:\n${outcome}`);
}

/** Runs the cells that have not been run, up to and including the one with this id. */
export async function runTo(t, page, cells, id) {
  const last = cells.indexOf(id);
  t.ok(last >= 0, `there is a cell ${id}`);
  for (let index = 0; index <= last; index++) {
    const pending = await page.evaluate(index => {
      const cell = window.e2eNotebook.content.model.sharedModel.cells[index];
      return cell.cell_type === 'code' && cell.execution_count === null;
    }, index);
    if (pending) {
      await run(t, page, index);
    }
  }
}

/** What the cell at `index` gave: text of its streams and of its result. */
export async function outputs(page, index) {
  return page.evaluate(index => {
    const { outputs } = window.e2eNotebook.content.model.sharedModel.cells[index].toJSON();
    const text = value => (Array.isArray(value) ? value.join('') : (value ?? ''));
    const stream = name =>
      outputs
        .filter(output => output.name === name)
        .map(output => text(output.text))
        .join('');
    const result = outputs.find(output => output.output_type === 'execute_result');
    return { stdout: stream('stdout'), stderr: stream('stderr'), result: text(result?.data['text/plain']) };
  }, index);
}

/** The whole notebook as it would be saved, outputs included. */
export async function text(page) {
  return page.evaluate(() => JSON.stringify(window.e2eNotebook.content.model.toJSON()));
}
