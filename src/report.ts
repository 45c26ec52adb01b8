/** hone/report: charts as SVG text and one offline HTML page from results. Works in browsers. */
export { curveChart, type CurveOptions, type CurveSeries } from "./report/curves.ts";
export { confusionChart } from "./report/matrix.ts";
export { errorChart } from "./report/bars.ts";
export { evaluationCharts, evaluationPage, type EvaluationPageInput } from "./report/evaluation.ts";
export { htmlPage, htmlTable, numberTiles, picture, type PageSection } from "./report/page.ts";
export { comparisonPage, type ComparedRun } from "./report/comparison.ts";
export type { GalleryItem } from "./report/gallery.ts";
