/** Icons of Gatehouse; they follow JupyterLab's theme by the classes in the SVG. */

import { LabIcon } from '@jupyterlab/ui-components';

import gatehouseSvg from '../style/icons/gatehouse.svg';
import progressSvg from '../style/icons/progress.svg';
import taskStreamSvg from '../style/icons/task-stream.svg';

export const gatehouseIcon = new LabIcon({ name: 'dask-gatehouse:gatehouse', svgstr: gatehouseSvg });
export const taskStreamIcon = new LabIcon({ name: 'dask-gatehouse:task-stream', svgstr: taskStreamSvg });
export const progressIcon = new LabIcon({ name: 'dask-gatehouse:progress', svgstr: progressSvg });

/** The icons of the plots' panes. */
export const plotIcons = { 'task-stream': taskStreamIcon, progress: progressIcon };
