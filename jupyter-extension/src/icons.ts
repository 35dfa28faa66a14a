/** Icons of Gatehouse; they follow JupyterLab's theme by the classes in the SVG. */

import { LabIcon, runIcon } from '@jupyterlab/ui-components';

import gatehouseSvg from '../style/icons/gatehouse.svg';
import plotSvg from '../style/icons/plot.svg';
import progressSvg from '../style/icons/progress.svg';
import statusSvg from '../style/icons/status.svg';
import taskStreamSvg from '../style/icons/task-stream.svg';

export const gatehouseIcon = new LabIcon({ name: 'dask-gatehouse:gatehouse', svgstr: gatehouseSvg });
export const taskStreamIcon = new LabIcon({ name: 'dask-gatehouse:task-stream', svgstr: taskStreamSvg });
export const progressIcon = new LabIcon({ name: 'dask-gatehouse:progress', svgstr: progressSvg });

export const statusIcon = new LabIcon({ name: 'dask-gatehouse:status', svgstr: statusSvg });
export const plotsIcon = new LabIcon({ name: 'dask-gatehouse:plot', svgstr: plotSvg });

/** The icon of a plot's pane. */
export function plotIcon(plot: string): LabIcon {
  switch (plot) {
    case 'task-stream':
      return taskStreamIcon;
    case 'progress':
      return progressIcon;
    case 'status':
      return statusIcon;
    case 'jobs':
      return runIcon;
    default:
      return plotsIcon;
  }
}
