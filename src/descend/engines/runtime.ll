define internal fastcc void @_ZN7descend7engines7runtime6launchB2v1B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAg6cJqBrMeIZJFEGM0QQAExx(ptr noalias nonnull writeonly %retptr, i64 %arg.job, i64 %arg.worker_address) unnamed_addr {
B0:
  %.11 = inttoptr i64 %arg.job to ptr
  %.12 = getelementptr i8, ptr %.11, i64 224
  %.13 = load i64, ptr %.12, align 8
  %.18 = and i64 %.13, 1
  %.19.not = icmp eq i64 %.18, 0
  br i1 %.19.not, label %B158, label %B66

B66:
  %.24 = getelementptr i8, ptr %.11, i64 216
  %.25 = load i64, ptr %.24, align 8
  %.21.i = getelementptr i8, ptr %.11, i64 152
  %.22.i = load i64, ptr %.21.i, align 8
  %..22.i = tail call i64 @llvm.smax.i64(i64 %.22.i, i64 0)
  %sunkaddr49 = getelementptr i8, ptr %.11, i64 160
  %sunkaddr51 = getelementptr i8, ptr %.11, i64 232
  %sunkaddr53 = getelementptr i8, ptr %.11, i64 168
  br label %B72.i

B72.i:
  %.110112.i = phi i64 [ %.117.i, %B74.i ], [ 0, %B66 ]
  %exitcond.not.i = icmp eq i64 %..22.i, %.110112.i
  br i1 %exitcond.not.i, label %B300.endif.i, label %B74.i

B74.i:
  %.117.i = add nuw i64 %.110112.i, 1
  %.145.i = load i64, ptr %sunkaddr49, align 8
  %.146.i = inttoptr i64 %.145.i to ptr
  %0 = shl i64 %.110112.i, 3
  %scevgep.i = getelementptr i8, ptr %.146.i, i64 %0
  %.148.i = load i64, ptr %scevgep.i, align 8
  %.152.i = load i64, ptr %sunkaddr51, align 8
  %.153.i = add nsw i64 %.152.i, %.148.i
  %.154.i = inttoptr i64 %.153.i to ptr
  %.156.i = load i64, ptr %.154.i, align 8
  %.157.i = tail call i64 @descend_get_grad(i64 %.156.i)
  %.158.i = inttoptr i64 %.157.i to ptr
  %.160.i = load i64, ptr %.158.i, align 8
  %.164.i = load i64, ptr %sunkaddr53, align 8
  %.165.not.i = icmp eq i64 %.160.i, %.164.i
  br i1 %.165.not.i, label %B72.i, label %common.ret

B370.i:
  %.270122125.i = phi i64 [ 0, %B370.lr.ph.i ], [ %.277.i, %B368.backedge.i ]
  %.277.i = add nuw nsw i64 %.270122125.i, 1
  %.25.i = load i64, ptr %.11, align 8
  %.29.i = load i64, ptr %sunkaddr51, align 8
  %.40.i = load i64, ptr %.39.i, align 8
  %.41.i = inttoptr i64 %.40.i to ptr
  %.42.i = getelementptr i64, ptr %.41.i, i64 %.270122125.i
  %.43.i = load i64, ptr %.42.i, align 8
  %.45.i = add nsw i64 %.43.i, %.29.i
  %.43.i.i = load i64, ptr %.42.i.i1, align 8
  %.45.i.i2 = inttoptr i64 %.45.i to ptr
  %.47.i.i = load i64, ptr %.45.i.i2, align 8
  %.51.i2.i = load i64, ptr %.50.i.i, align 8
  %.52.i.i = add nsw i64 %.51.i2.i, %.47.i.i
  %.53.i3.i = inttoptr i64 %.52.i.i to ptr
  %.55.i4.i = load i64, ptr %.53.i3.i, align 8
  %sunkaddr50.i.i = inttoptr i64 %.43.i.i to ptr
  %sunkaddr51.i.i = shl i64 %.270122125.i, 3
  %sunkaddr52.i.i = getelementptr i8, ptr %sunkaddr50.i.i, i64 %sunkaddr51.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i.i, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i.i:
  store i64 %.55.i4.i, ptr %sunkaddr52.i.i, align 8
  br label %B236.i.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i.i:
  %.35.pre.i.i8.i = load i64, ptr %sunkaddr52.i.i, align 8
  %.not.i9.i = icmp eq i64 %.35.pre.i.i8.i, %.55.i4.i
  br i1 %.not.i9.i, label %B236.i.i, label %B370.endif.thread.i

B236.i.i:
  %.113.i.i = load i64, ptr %.112.i.i, align 8
  %.118.i.i = load i64, ptr %.117.i.i, align 8
  %.119.i.i = inttoptr i64 %.118.i.i to ptr
  %.120.i.i = getelementptr i64, ptr %.119.i.i, i64 %.270122125.i
  %.121.i5.i = load i64, ptr %.120.i.i, align 8
  %.129.i.i = inttoptr i64 %.113.i.i to ptr
  store i64 0, ptr %.129.i.i, align 8
  %.134.i.i = tail call i32 @descend_get_dtype(i64 %.45.i, i64 %.113.i.i)
  %.136.i6.i = add nsw i64 %.113.i.i, 8
  %.138.i.i = tail call i32 @descend_get_rank(i64 %.45.i, i64 %.136.i6.i)
  %.143.i.i = add nsw i64 %.113.i.i, 16
  %.145.i.i = tail call i32 @descend_get_sizes(i64 %.45.i, i64 %.143.i.i)
  %.149.i.i = add nsw i64 %.113.i.i, 24
  %.151.i.i = tail call i32 @descend_get_strides(i64 %.45.i, i64 %.149.i.i)
  %.153.i.i = add nsw i64 %.113.i.i, 32
  %.155.i.i = tail call i32 @descend_get_data(i64 %.45.i, i64 %.153.i.i)
  %.160166.i.i = or i32 %.138.i.i, %.134.i.i
  %.141164.i.i = or i32 %.160166.i.i, %.145.i.i
  %.147165.i.i = or i32 %.141164.i.i, %.151.i.i
  %.161167.i.i = or i32 %.147165.i.i, %.155.i.i
  %.162.not.i.i = icmp eq i32 %.161167.i.i, 0
  br i1 %.162.not.i.i, label %B556.i.i, label %B370.endif.thread.i

B556.i.i:
  %.166.i.i = getelementptr i8, ptr %.129.i.i, i64 8
  %.167.i.i = load i64, ptr %.166.i.i, align 8
  %.169.not.i.i = icmp eq i64 %.167.i.i, %.121.i5.i
  br i1 %.169.not.i.i, label %B596.i.i, label %B370.endif.thread.i

B596.i.i:
  %.175.i.i = load i64, ptr %.174.i.i, align 8
  %.179.i.i = load i64, ptr %.129.i.i, align 8
  %sunkaddr54.i.i = inttoptr i64 %.175.i.i to ptr
  %sunkaddr57.i.i = getelementptr i8, ptr %sunkaddr54.i.i, i64 %sunkaddr51.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i.i, label %B702.thread.i.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i.i:
  %.35.pre.i21.i.i = load i64, ptr %sunkaddr57.i.i, align 8
  %.not67.i.i = icmp eq i64 %.35.pre.i21.i.i, %.179.i.i
  br i1 %.not67.i.i, label %B702.i.i, label %B370.endif.thread.i

B702.i.i:
  %.347193.not.i.i = icmp slt i64 %.121.i5.i, 1
  br i1 %.347193.not.i.i, label %_ZN7descend7engines7runtime11same_tensorB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.i, label %B794.lr.ph.split.us.i.i

B702.thread.i.i:
  store i64 %.179.i.i, ptr %sunkaddr57.i.i, align 8
  %.347193.not70.i.i = icmp slt i64 %.121.i5.i, 1
  br i1 %.347193.not70.i.i, label %_ZN7descend7engines7runtime11same_tensorB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.thread198.i, label %B794.preheader.i.i

B794.preheader.i.i:
  %.23872.i.i = load i64, ptr %.23771.i.i, align 8
  %.23973.i.i = inttoptr i64 %.23872.i.i to ptr
  %.24074.i.i = getelementptr i64, ptr %.23973.i.i, i64 %.270122125.i
  %.24175.i.i = load i64, ptr %.24074.i.i, align 8
  %xtraiter.i.i = and i64 %.121.i5.i, 3
  %1 = icmp samesign ult i64 %.121.i5.i, 4
  br i1 %1, label %B794.preheader.B794.epil.preheader_crit_edge.i.i, label %B794.preheader.new.i.i

B794.preheader.B794.epil.preheader_crit_edge.i.i:
  %.pre1.i.i = shl nuw nsw i64 %.121.i5.i, 3
  %.pre.i.i = inttoptr i64 %.24175.i.i to ptr
  br label %B794.epil.preheader.i.i

B794.preheader.new.i.i:
  %2 = inttoptr i64 %.24175.i.i to ptr
  %unroll_iter.i.i = and i64 %.121.i5.i, 9223372036854775804
  %3 = shl i64 %.121.i5.i, 3
  %4 = getelementptr i8, ptr %2, i64 %3
  %scevgep108.i.i = getelementptr i8, ptr %4, i64 24
  %sunkaddr64.i.i = getelementptr i8, ptr %.129.i.i, i64 16
  %sunkaddr69.i.i = getelementptr i8, ptr %.129.i.i, i64 24
  br label %B794.i.i

B794.lr.ph.split.us.i.i:
  %.238.i.i = load i64, ptr %.23771.i.i, align 8
  %.239.i.i = inttoptr i64 %.238.i.i to ptr
  %.240.i7.i = getelementptr i64, ptr %.239.i.i, i64 %.270122125.i
  %.241.i.i = load i64, ptr %.240.i7.i, align 8
  %.391.i.i = getelementptr i8, ptr %.129.i.i, i64 16
  %sunkaddr.i24.i.i = inttoptr i64 %.241.i.i to ptr
  %.392.us.i.i = load i64, ptr %.391.i.i, align 8
  %5 = shl i64 %.121.i5.i, 3
  %scevgep91.i.i = getelementptr i8, ptr %sunkaddr.i24.i.i, i64 %5
  %6 = inttoptr i64 %.392.us.i.i to ptr
  %sunkaddr62.i.i = getelementptr i8, ptr %.129.i.i, i64 24
  br label %B794.us.i.i

B794.us.i.i:
  %.353189194.us.i.i = phi i64 [ 0, %B794.lr.ph.split.us.i.i ], [ %.360.us.i.i, %B962.us.i.i ]
  %.360.us.i.i = add nuw nsw i64 %.353189194.us.i.i, 1
  %7 = shl i64 %.353189194.us.i.i, 3
  %scevgep93.i.i = getelementptr i8, ptr %6, i64 %7
  %.395.us.i.i = load i64, ptr %scevgep93.i.i, align 8
  %sunkaddr3.i26.us.i.i = getelementptr i8, ptr %sunkaddr.i24.i.i, i64 %7
  %.35.pre.i30.us.i.i = load i64, ptr %sunkaddr3.i26.us.i.i, align 8
  %.not68.us.i.i = icmp eq i64 %.35.pre.i30.us.i.i, %.395.us.i.i
  br i1 %.not68.us.i.i, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit40.us.i.i, label %B370.endif.thread.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit40.us.i.i:
  %.47459.us.i.i = load i64, ptr %sunkaddr62.i.i, align 8
  %.47560.us.i.i = inttoptr i64 %.47459.us.i.i to ptr
  %scevgep6.i.i = getelementptr i8, ptr %.47560.us.i.i, i64 %7
  %.47762.us.i.i = load i64, ptr %scevgep6.i.i, align 8
  %scevgep7.i.i = getelementptr i8, ptr %scevgep91.i.i, i64 %7
  %.35.pre.i39.us.i.i = load i64, ptr %scevgep7.i.i, align 8
  %8 = icmp eq i64 %.35.pre.i39.us.i.i, %.47762.us.i.i
  %.518.not.us.i.i = icmp eq i64 %.395.us.i.i, 1
  %or.cond.us.i.i = or i1 %.518.not.us.i.i, %8
  br i1 %or.cond.us.i.i, label %B962.us.i.i, label %B370.endif.thread.i

B962.us.i.i:
  %exitcond.not.us.i.i = icmp eq i64 %.121.i5.i, %.360.us.i.i
  br i1 %exitcond.not.us.i.i, label %_ZN7descend7engines7runtime11same_tensorB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.i, label %B794.us.i.i

B794.i.i:
  %.353189194.i.i = phi i64 [ 0, %B794.preheader.new.i.i ], [ %.360.3.i.i, %B794.i.i ]
  %.392.i.i = load i64, ptr %sunkaddr64.i.i, align 8
  %.393.i.i = inttoptr i64 %.392.i.i to ptr
  %9 = shl i64 %.353189194.i.i, 3
  %scevgep127.i.i = getelementptr i8, ptr %.393.i.i, i64 %9
  %.395.i.i = load i64, ptr %scevgep127.i.i, align 8
  %sunkaddr67.i.i = getelementptr i8, ptr %2, i64 %9
  store i64 %.395.i.i, ptr %sunkaddr67.i.i, align 8
  %.474.i.i = load i64, ptr %sunkaddr69.i.i, align 8
  %.475.i.i = inttoptr i64 %.474.i.i to ptr
  %scevgep31.i.i = getelementptr i8, ptr %.475.i.i, i64 %9
  %.477.i.i = load i64, ptr %scevgep31.i.i, align 8
  %scevgep29.i.i = getelementptr i8, ptr %scevgep108.i.i, i64 %9
  %scevgep30.i.i = getelementptr i8, ptr %scevgep29.i.i, i64 -24
  store i64 %.477.i.i, ptr %scevgep30.i.i, align 8
  %.392.1.i.i = load i64, ptr %sunkaddr64.i.i, align 8
  %.393.1.i.i = inttoptr i64 %.392.1.i.i to ptr
  %scevgep122.i.i = getelementptr i8, ptr %.393.1.i.i, i64 8
  %scevgep17.i.i = getelementptr i8, ptr %scevgep122.i.i, i64 %9
  %.395.1.i.i = load i64, ptr %scevgep17.i.i, align 8
  %sunkaddr72.i.i = getelementptr i8, ptr %sunkaddr67.i.i, i64 8
  store i64 %.395.1.i.i, ptr %sunkaddr72.i.i, align 8
  %.474.1.i.i = load i64, ptr %sunkaddr69.i.i, align 8
  %.475.1.i.i = inttoptr i64 %.474.1.i.i to ptr
  %scevgep124.i.i = getelementptr i8, ptr %.475.1.i.i, i64 8
  %scevgep16.i.i = getelementptr i8, ptr %scevgep124.i.i, i64 %9
  %.477.1.i.i = load i64, ptr %scevgep16.i.i, align 8
  %scevgep28.i.i = getelementptr i8, ptr %scevgep29.i.i, i64 -16
  store i64 %.477.1.i.i, ptr %scevgep28.i.i, align 8
  %.392.2.i.i = load i64, ptr %sunkaddr64.i.i, align 8
  %.393.2.i.i = inttoptr i64 %.392.2.i.i to ptr
  %scevgep118.i.i = getelementptr i8, ptr %.393.2.i.i, i64 16
  %scevgep14.i.i = getelementptr i8, ptr %scevgep118.i.i, i64 %9
  %.395.2.i.i = load i64, ptr %scevgep14.i.i, align 8
  %sunkaddr76.i.i = getelementptr i8, ptr %sunkaddr67.i.i, i64 16
  store i64 %.395.2.i.i, ptr %sunkaddr76.i.i, align 8
  %.474.2.i.i = load i64, ptr %sunkaddr69.i.i, align 8
  %.475.2.i.i = inttoptr i64 %.474.2.i.i to ptr
  %scevgep120.i.i = getelementptr i8, ptr %.475.2.i.i, i64 16
  %scevgep12.i.i = getelementptr i8, ptr %scevgep120.i.i, i64 %9
  %.477.2.i.i = load i64, ptr %scevgep12.i.i, align 8
  %scevgep21.i.i = getelementptr i8, ptr %scevgep29.i.i, i64 -8
  store i64 %.477.2.i.i, ptr %scevgep21.i.i, align 8
  %.360.3.i.i = add nuw nsw i64 %.353189194.i.i, 4
  %.392.3.i.i = load i64, ptr %sunkaddr64.i.i, align 8
  %.393.3.i.i = inttoptr i64 %.392.3.i.i to ptr
  %scevgep98.i.i = getelementptr i8, ptr %.393.3.i.i, i64 24
  %scevgep11.i.i = getelementptr i8, ptr %scevgep98.i.i, i64 %9
  %.395.3.i.i = load i64, ptr %scevgep11.i.i, align 8
  %sunkaddr83.i.i = getelementptr i8, ptr %sunkaddr67.i.i, i64 24
  store i64 %.395.3.i.i, ptr %sunkaddr83.i.i, align 8
  %.474.3.i.i = load i64, ptr %sunkaddr69.i.i, align 8
  %.475.3.i.i = inttoptr i64 %.474.3.i.i to ptr
  %scevgep116.i.i = getelementptr i8, ptr %.475.3.i.i, i64 24
  %scevgep10.i.i = getelementptr i8, ptr %scevgep116.i.i, i64 %9
  %.477.3.i.i = load i64, ptr %scevgep10.i.i, align 8
  store i64 %.477.3.i.i, ptr %scevgep29.i.i, align 8
  %niter.ncmp.3.i.i = icmp eq i64 %unroll_iter.i.i, %.360.3.i.i
  br i1 %niter.ncmp.3.i.i, label %B8.i45.loopexit.unr-lcssa.i.i, label %B794.i.i

B8.i45.loopexit.unr-lcssa.i.i:
  %lcmp.mod.not.i.i = icmp eq i64 %xtraiter.i.i, 0
  br i1 %lcmp.mod.not.i.i, label %_ZN7descend7engines7runtime11same_tensorB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.thread198.i, label %B794.epil.preheader.i.i

B794.epil.preheader.i.i:
  %.pre-phi.i.i = phi ptr [ %.pre.i.i, %B794.preheader.B794.epil.preheader_crit_edge.i.i ], [ %2, %B8.i45.loopexit.unr-lcssa.i.i ]
  %.pre-phi2.i.i = phi i64 [ %.pre1.i.i, %B794.preheader.B794.epil.preheader_crit_edge.i.i ], [ %3, %B8.i45.loopexit.unr-lcssa.i.i ]
  %.353189194.epil.init.i.i = phi i64 [ 0, %B794.preheader.B794.epil.preheader_crit_edge.i.i ], [ %unroll_iter.i.i, %B8.i45.loopexit.unr-lcssa.i.i ]
  %scevgep95.i.i = getelementptr i8, ptr %.pre-phi.i.i, i64 %.pre-phi2.i.i
  %sunkaddr89.i.i = getelementptr i8, ptr %.129.i.i, i64 16
  %sunkaddr91.i.i = getelementptr i8, ptr %.129.i.i, i64 24
  br label %B794.epil.i.i

B794.epil.i.i:
  %lsr.iv.i.i = phi i64 [ %lsr.iv.next.i.i, %B794.epil.i.i ], [ %xtraiter.i.i, %B794.epil.preheader.i.i ]
  %.353189194.epil.i.i = phi i64 [ %.360.epil.i.i, %B794.epil.i.i ], [ %.353189194.epil.init.i.i, %B794.epil.preheader.i.i ]
  %.360.epil.i.i = add nuw nsw i64 %.353189194.epil.i.i, 1
  %.392.epil.i.i = load i64, ptr %sunkaddr89.i.i, align 8
  %.393.epil.i.i = inttoptr i64 %.392.epil.i.i to ptr
  %10 = shl i64 %.353189194.epil.i.i, 3
  %scevgep97.i.i = getelementptr i8, ptr %.393.epil.i.i, i64 %10
  %.395.epil.i.i = load i64, ptr %scevgep97.i.i, align 8
  %sunkaddr3.i26.epil.i.i = getelementptr i8, ptr %.pre-phi.i.i, i64 %10
  store i64 %.395.epil.i.i, ptr %sunkaddr3.i26.epil.i.i, align 8
  %.474.epil.i.i = load i64, ptr %sunkaddr91.i.i, align 8
  %.475.epil.i.i = inttoptr i64 %.474.epil.i.i to ptr
  %scevgep8.i.i = getelementptr i8, ptr %.475.epil.i.i, i64 %10
  %.477.epil.i.i = load i64, ptr %scevgep8.i.i, align 8
  %scevgep9.i.i = getelementptr i8, ptr %scevgep95.i.i, i64 %10
  store i64 %.477.epil.i.i, ptr %scevgep9.i.i, align 8
  %lsr.iv.next.i.i = add nsw i64 %lsr.iv.i.i, -1
  %epil.iter.cmp.not.i.i = icmp eq i64 %lsr.iv.next.i.i, 0
  br i1 %epil.iter.cmp.not.i.i, label %_ZN7descend7engines7runtime11same_tensorB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.thread198.i, label %B794.epil.i.i

_ZN7descend7engines7runtime11same_tensorB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.thread198.i:
  %.64983.i.i = load i64, ptr %.64882.i.i, align 8
  %.65484.i.i = getelementptr i8, ptr %.129.i.i, i64 32
  %.65585.i.i = load i64, ptr %.65484.i.i, align 8
  %sunkaddr92.i.i = inttoptr i64 %.64983.i.i to ptr
  %sunkaddr94.i.i = getelementptr i8, ptr %sunkaddr92.i.i, i64 %sunkaddr51.i.i
  store i64 %.65585.i.i, ptr %sunkaddr94.i.i, align 8
  br label %B0.endif.i

_ZN7descend7engines7runtime11same_tensorB2v4B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_280_29xb.exit.i:
  %.654.i.i = getelementptr i8, ptr %.129.i.i, i64 32
  %.655.i.i = load i64, ptr %.654.i.i, align 8
  %.649.i.i = load i64, ptr %.64882.i.i, align 8
  %sunkaddr85.i.i = inttoptr i64 %.649.i.i to ptr
  %sunkaddr87.i.i = getelementptr i8, ptr %sunkaddr85.i.i, i64 %sunkaddr51.i.i
  %.35.pre.i48.i.i = load i64, ptr %sunkaddr87.i.i, align 8
  %.not211.i = icmp eq i64 %.35.pre.i48.i.i, %.655.i.i
  br i1 %.not211.i, label %B0.endif.i, label %B370.endif.thread.i

B344.i:
  %lsr.iv83.i = phi i64 [ %27, %B344.preheader.i ], [ %lsr.iv.next84.i, %B342.backedge.i ]
  %.241220223.i = phi i64 [ 2, %B344.preheader.i ], [ %.248.i, %B342.backedge.i ]
  %.248.i = add nuw i64 %.241220223.i, 1
  %.281.i = load i64, ptr %.39.i, align 8
  %.282.i = inttoptr i64 %.281.i to ptr
  %scevgep85.i = getelementptr i8, ptr %.282.i, i64 %lsr.iv83.i
  %.284.i = load i64, ptr %scevgep85.i, align 8
  %.286.i4 = add nsw i64 %.284.i, %.29.i
  %.31.i.i = load i64, ptr %.11, align 8
  %.33.i12.i = mul nsw i64 %.31.i.i, %.241220223.i
  %.35.i13.i = add nsw i64 %.33.i12.i, %.270122125.i
  %.43.i15.i = load i64, ptr %.42.i.i1, align 8
  %.45.i16.i = inttoptr i64 %.286.i4 to ptr
  %.47.i17.i = load i64, ptr %.45.i16.i, align 8
  %.51.i19.i = load i64, ptr %.50.i.i, align 8
  %.52.i20.i = add nsw i64 %.51.i19.i, %.47.i17.i
  %.53.i21.i = inttoptr i64 %.52.i20.i to ptr
  %.55.i22.i = load i64, ptr %.53.i21.i, align 8
  %sunkaddr47.i.i = inttoptr i64 %.43.i15.i to ptr
  %sunkaddr48.i.i = shl i64 %.35.i13.i, 3
  %sunkaddr52.i23.i = getelementptr i8, ptr %sunkaddr47.i.i, i64 %sunkaddr48.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i129.i, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i24.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i24.i:
  store i64 %.55.i22.i, ptr %sunkaddr52.i23.i, align 8
  br label %B236.i25.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i129.i:
  %.35.pre.i.i130.i = load i64, ptr %sunkaddr52.i23.i, align 8
  %.not.i131.i = icmp eq i64 %.35.pre.i.i130.i, %.55.i22.i
  br i1 %.not.i131.i, label %B236.i25.i, label %B370.endif.thread.i

B236.i25.i:
  %.113.i27.i = load i64, ptr %.112.i.i, align 8
  %.118.i29.i = load i64, ptr %.117.i.i, align 8
  %.119.i30.i = inttoptr i64 %.118.i29.i to ptr
  %.120.i31.i = getelementptr i64, ptr %.119.i30.i, i64 %.270122125.i
  %.121.i32.i = load i64, ptr %.120.i31.i, align 8
  %.129.i33.i = inttoptr i64 %.113.i27.i to ptr
  store i64 0, ptr %.129.i33.i, align 8
  %.134.i34.i = tail call i32 @descend_get_dtype(i64 %.286.i4, i64 %.113.i27.i)
  %.136.i35.i = add nsw i64 %.113.i27.i, 8
  %.138.i36.i = tail call i32 @descend_get_rank(i64 %.286.i4, i64 %.136.i35.i)
  %.143.i37.i = add nsw i64 %.113.i27.i, 16
  %.145.i38.i = tail call i32 @descend_get_sizes(i64 %.286.i4, i64 %.143.i37.i)
  %.149.i39.i = add nsw i64 %.113.i27.i, 24
  %.151.i40.i = tail call i32 @descend_get_strides(i64 %.286.i4, i64 %.149.i39.i)
  %.153.i41.i = add nsw i64 %.113.i27.i, 32
  %.155.i42.i = tail call i32 @descend_get_data(i64 %.286.i4, i64 %.153.i41.i)
  %.160169.i.i = or i32 %.138.i36.i, %.134.i34.i
  %.141167.i.i = or i32 %.160169.i.i, %.145.i38.i
  %.147168.i.i = or i32 %.141167.i.i, %.151.i40.i
  %.161170.i.i = or i32 %.147168.i.i, %.155.i42.i
  %.162.not.i43.i = icmp eq i32 %.161170.i.i, 0
  br i1 %.162.not.i43.i, label %B556.i45.i, label %B370.endif.thread.i

B556.i45.i:
  %.166.i46.i = getelementptr i8, ptr %.129.i33.i, i64 8
  %.167.i47.i = load i64, ptr %.166.i46.i, align 8
  %.169.not.i48.i = icmp eq i64 %.167.i47.i, %.121.i32.i
  br i1 %.169.not.i48.i, label %B596.i49.i, label %B370.endif.thread.i

B596.i49.i:
  %.175.i51.i = load i64, ptr %.174.i.i, align 8
  %.179.i52.i = load i64, ptr %.129.i33.i, align 8
  %sunkaddr58.i.i = inttoptr i64 %.175.i51.i to ptr
  %sunkaddr60.i.i = getelementptr i8, ptr %sunkaddr58.i.i, i64 %sunkaddr48.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i126.i, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.thread.i.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.thread.i.i:
  store i64 %.179.i52.i, ptr %sunkaddr60.i.i, align 8
  br label %B702.i53.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i126.i:
  %.35.pre.i21.i127.i = load i64, ptr %sunkaddr60.i.i, align 8
  %.not67.i128.i = icmp eq i64 %.35.pre.i21.i127.i, %.179.i52.i
  br i1 %.not67.i128.i, label %B702.i53.i, label %B370.endif.thread.i

B702.i53.i:
  %.348196.not.i.i = icmp slt i64 %.121.i32.i, 1
  br i1 %.348196.not.i.i, label %B964.i.i, label %B794.lr.ph.i.i

B794.lr.ph.i.i:
  %.238.i55.i = load i64, ptr %.23771.i.i, align 8
  %.239.i56.i = inttoptr i64 %.238.i55.i to ptr
  %.240.i57.i = getelementptr i64, ptr %.239.i56.i, i64 %.270122125.i
  %.241.i58.i = load i64, ptr %.240.i57.i, align 8
  %11 = inttoptr i64 %.241.i58.i to ptr
  %sunkaddr121.i.i = getelementptr i8, ptr %.129.i33.i, i64 16
  %.393.us.i.i = load i64, ptr %sunkaddr121.i.i, align 8
  %12 = shl i64 %.121.i32.i, 3
  %scevgep72.i.i = getelementptr i8, ptr %11, i64 %12
  %13 = inttoptr i64 %.393.us.i.i to ptr
  %sunkaddr62.i114.i = getelementptr i8, ptr %.129.i33.i, i64 24
  br label %B794.us.i115.i

B794.us.i115.i:
  %.354192197.us.i.i = phi i64 [ 0, %B794.lr.ph.i.i ], [ %.361.us.i.i, %B962.us.i124.i ]
  %.361.us.i.i = add nuw nsw i64 %.354192197.us.i.i, 1
  %14 = shl i64 %.354192197.us.i.i, 3
  %scevgep74.i.i = getelementptr i8, ptr %13, i64 %14
  %.396.us.i.i = load i64, ptr %scevgep74.i.i, align 8
  %sunkaddr3.i26.us.i116.i = getelementptr i8, ptr %11, i64 %14
  %.35.pre.i30.us.i117.i = load i64, ptr %sunkaddr3.i26.us.i116.i, align 8
  %.not68.us.i118.i = icmp eq i64 %.35.pre.i30.us.i117.i, %.396.us.i.i
  br i1 %.not68.us.i118.i, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit40.us.i119.i, label %B370.endif.thread.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit40.us.i119.i:
  %.47559.us.i.i = load i64, ptr %sunkaddr62.i114.i, align 8
  %.47660.us.i.i = inttoptr i64 %.47559.us.i.i to ptr
  %scevgep6.i120.i = getelementptr i8, ptr %.47660.us.i.i, i64 %14
  %.47862.us.i.i = load i64, ptr %scevgep6.i120.i, align 8
  %scevgep7.i121.i = getelementptr i8, ptr %scevgep72.i.i, i64 %14
  %.35.pre.i39.us.i122.i = load i64, ptr %scevgep7.i121.i, align 8
  %15 = icmp eq i64 %.35.pre.i39.us.i122.i, %.47862.us.i.i
  %.519.not.us.i.i = icmp eq i64 %.396.us.i.i, 1
  %or.cond.us.i123.i = or i1 %.519.not.us.i.i, %15
  br i1 %or.cond.us.i123.i, label %B962.us.i124.i, label %B370.endif.thread.i

B962.us.i124.i:
  %exitcond.not.us.i125.i = icmp eq i64 %.121.i32.i, %.361.us.i.i
  br i1 %exitcond.not.us.i125.i, label %B964.i.i, label %B794.us.i115.i

B964.i.i:
  %.656.phi.trans.insert.i.i = getelementptr i8, ptr %.129.i33.i, i64 32
  %.657.pre.i.i = load i64, ptr %.656.phi.trans.insert.i.i, align 8
  %.651.i.i = load i64, ptr %.64882.i.i, align 8
  %sunkaddr88.i.i = inttoptr i64 %.651.i.i to ptr
  %sunkaddr90.i.i = getelementptr i8, ptr %sunkaddr88.i.i, i64 %sunkaddr48.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime11same_tensorB2v8B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.i, label %_ZN7descend7engines7runtime11same_tensorB2v8B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.thread203.i

_ZN7descend7engines7runtime11same_tensorB2v8B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.thread203.i:
  store i64 %.657.pre.i.i, ptr %sunkaddr90.i.i, align 8
  br label %B342.backedge.i

_ZN7descend7engines7runtime11same_tensorB2v8B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.i:
  %.35.pre.i48.i109.i = load i64, ptr %sunkaddr90.i.i, align 8
  %.not213.i = icmp eq i64 %.35.pre.i48.i109.i, %.657.pre.i.i
  br i1 %.not213.i, label %B342.backedge.i, label %B370.endif.thread.i

B520.i:
  %lsr.iv81.i = phi i64 [ %lsr.iv.next82.i, %B518.backedge.i ], [ %.350.i, %B520.preheader.i ]
  %lsr.iv76.i = phi i64 [ %lsr.iv.next77.i, %B518.backedge.i ], [ %sunkaddr51.i.i, %B520.preheader.i ]
  %.26.i.i = load i64, ptr %sunkaddr43.i, align 8
  %.27.i.i = inttoptr i64 %.26.i.i to ptr
  %scevgep80.i = getelementptr i8, ptr %.27.i.i, i64 %lsr.iv76.i
  %.29.i.i = load i64, ptr %scevgep80.i, align 8
  %.33.i.i9 = load i64, ptr %sunkaddr51, align 8
  %.34.i.i10 = add nsw i64 %.33.i.i9, %.29.i.i
  %.38.i.i = load i64, ptr %.112.i.i, align 8
  %.49.i.i = load i64, ptr %sunkaddr52.i, align 8
  %.51.i.i = inttoptr i64 %.34.i.i10 to ptr
  %.53.i.i = load i64, ptr %.51.i.i, align 8
  %.57.i.i = load i64, ptr %.50.i.i, align 8
  %.58.i.i = add nsw i64 %.57.i.i, %.53.i.i
  %.59.i.i = inttoptr i64 %.58.i.i to ptr
  %.61.i.i = load i64, ptr %.59.i.i, align 8
  %sunkaddr14.i.i = inttoptr i64 %.49.i.i to ptr
  %scevgep79.i = getelementptr i8, ptr %sunkaddr14.i.i, i64 %lsr.iv76.i
  %.35.pre.i.i.i = load i64, ptr %scevgep79.i, align 8
  %.not.i.i = icmp eq i64 %.35.pre.i.i.i, %.61.i.i
  br i1 %.not.i.i, label %B312.i.i, label %B370.endif.thread.i

B312.i.i:
  %.116.i.i = tail call i32 @descend_get_data(i64 %.34.i.i10, i64 %.38.i.i)
  %.119.not.i.i = icmp eq i32 %.116.i.i, 0
  br i1 %.119.not.i.i, label %B348.i.i, label %B370.endif.thread.i

B348.i.i:
  %.136.i.i = load i64, ptr %sunkaddr59.i, align 8
  %.140.i.i = inttoptr i64 %.38.i.i to ptr
  %.142.i.i = load i64, ptr %.140.i.i, align 8
  %sunkaddr17.i.i = inttoptr i64 %.136.i.i to ptr
  %scevgep78.i = getelementptr i8, ptr %sunkaddr17.i.i, i64 %lsr.iv76.i
  %.35.pre.i8.i.i = load i64, ptr %scevgep78.i, align 8
  %.not.i = icmp eq i64 %.35.pre.i8.i.i, %.142.i.i
  br i1 %.not.i, label %B518.backedge.i, label %B370.endif.thread.i

B646.i:
  %lsr.iv.i = phi i64 [ %lsr.iv.next.i, %B644.backedge.i ], [ %.270122125.i, %B576.endif.i ]
  %.617251254.i = phi i64 [ %.624.i, %B644.backedge.i ], [ 0, %B576.endif.i ]
  %.624.i = add nuw nsw i64 %.617251254.i, 1
  %.32.i10.i = load i64, ptr %sunkaddr62.i, align 8
  %.33.i11.i6 = inttoptr i64 %.32.i10.i to ptr
  %16 = shl i64 %lsr.iv.i, 3
  %scevgep68.i = getelementptr i8, ptr %.33.i11.i6, i64 %16
  %.35.i.i = load i64, ptr %scevgep68.i, align 8
  %.39.i.i = load i64, ptr %sunkaddr51, align 8
  %.40.i.i = add nsw i64 %.39.i.i, %.35.i.i
  %.44.i.i7 = load i64, ptr %.112.i.i, align 8
  %.53.i14.i = inttoptr i64 %.40.i.i to ptr
  %.55.i.i = load i64, ptr %.53.i14.i, align 8
  %.59.i16.i = load i64, ptr %.50.i.i, align 8
  %.60.i.i = add nsw i64 %.59.i16.i, %.55.i.i
  %.61.i17.i = inttoptr i64 %.60.i.i to ptr
  %.63.i.i = load i64, ptr %.61.i17.i, align 8
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB3v11B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2815_29xb.exit.i.i, label %_ZN7descend7engines7runtime5agreeB3v11B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2815_29xb.exit.thread.i.i

_ZN7descend7engines7runtime5agreeB3v11B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2815_29xb.exit.thread.i.i:
  store i64 %.63.i.i, ptr %sunkaddr74.i, align 8
  br label %B284.i.i

_ZN7descend7engines7runtime5agreeB3v11B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2815_29xb.exit.i.i:
  %.35.pre.i.i21.i = load i64, ptr %sunkaddr74.i, align 8
  %.not.i22.i = icmp eq i64 %.35.pre.i.i21.i, %.63.i.i
  br i1 %.not.i22.i, label %B284.i.i, label %B370.endif.thread.i

B284.i.i:
  %.121.i.i = inttoptr i64 %.44.i.i7 to ptr
  store i64 0, ptr %.121.i.i, align 8
  %.126.i.i = tail call i32 @descend_get_dtype(i64 %.40.i.i, i64 %.44.i.i7)
  %.128.i.i = add nsw i64 %.44.i.i7, 8
  %.130.i.i = tail call i32 @descend_get_data(i64 %.40.i.i, i64 %.128.i.i)
  %.13549.i.i = or i32 %.130.i.i, %.126.i.i
  %.136.not.i.i = icmp eq i32 %.13549.i.i, 0
  br i1 %.136.not.i.i, label %B394.i.i, label %B370.endif.thread.i

B394.i.i:
  %.142.i19.i = load i64, ptr %.121.i.i, align 8
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB3v12B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2816_29xb.exit.i.i, label %_ZN7descend7engines7runtime5agreeB3v12B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2816_29xb.exit.thread.i.i

_ZN7descend7engines7runtime5agreeB3v12B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2816_29xb.exit.thread.i.i:
  store i64 %.142.i19.i, ptr %sunkaddr80.i, align 8
  br label %B472.i.i

_ZN7descend7engines7runtime5agreeB3v12B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx24Literal_5bint_5d_2816_29xb.exit.i.i:
  %.35.pre.i7.i.i = load i64, ptr %sunkaddr80.i, align 8
  %.not12.i.i = icmp eq i64 %.35.pre.i7.i.i, %.142.i19.i
  br i1 %.not12.i.i, label %B472.i.i, label %B370.endif.thread.i

B472.i.i:
  %.199.i.i = getelementptr i8, ptr %.121.i.i, i64 8
  %.200.i.i = load i64, ptr %.199.i.i, align 8
  %.209.i.i = load i64, ptr %sunkaddr85.i, align 8
  %.212.i.i = inttoptr i64 %.209.i.i to ptr
  %scevgep40.i = getelementptr i8, ptr %.212.i.i, i64 %16
  store i64 %.200.i.i, ptr %scevgep40.i, align 8
  %.221.i.i = load i64, ptr %sunkaddr87.i, align 8
  %.222.i.i = inttoptr i64 %.221.i.i to ptr
  %.223.i.i = getelementptr i64, ptr %.222.i.i, i64 %.270122125.i
  %.224.i.i = load i64, ptr %.223.i.i, align 8
  %.230.i.i = load i64, ptr %sunkaddr89.i, align 8
  %.234.i.i = load i64, ptr %.530.i, align 8
  %.240.i.i = inttoptr i64 %.224.i.i to ptr
  %17 = getelementptr double, ptr %.240.i.i, i64 %.230.i.i
  %18 = getelementptr double, ptr %17, i64 %.234.i.i
  %19 = shl i64 %.617251254.i, 3
  %scevgep.i8 = getelementptr i8, ptr %18, i64 %19
  %.242.i.i = load double, ptr %scevgep.i8, align 8
  %.249.i.i = load i64, ptr %sunkaddr93.i, align 8
  %.252.not.i.i = icmp eq i64 %.249.i.i, 0
  %20 = inttoptr i64 %.200.i.i to ptr
  br i1 %.252.not.i.i, label %B810.i.i, label %B778.i.i

B778.i.i:
  %.257.i.i = load double, ptr %20, align 8
  br label %_ZN7descend7engines7runtime11same_numberB3v10B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.i

B810.i.i:
  %.267.i.i = load float, ptr %20, align 4
  %.268.i.i = fpext float %.267.i.i to double
  br label %_ZN7descend7engines7runtime11same_numberB3v10B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.i

_ZN7descend7engines7runtime11same_numberB3v10B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxxb.exit.i:
  %"$phi840.0.2.0.i.i" = phi double [ %.257.i.i, %B778.i.i ], [ %.268.i.i, %B810.i.i ]
  %.276.i.i = fcmp une double %"$phi840.0.2.0.i.i", %.242.i.i
  br i1 %.276.i.i, label %B370.endif.thread.i, label %B644.backedge.i

B0.endif.i:
  %.95.i = load i64, ptr %.45.i.i2, align 8
  %.98.i = tail call i64 @descend_get_grad(i64 %.95.i)
  %.31.i134.i = load i64, ptr %.11, align 8
  %.35.i135.i = add nsw i64 %.31.i134.i, %.270122125.i
  %.43.i137.i = load i64, ptr %.42.i.i1, align 8
  %.45.i138.i = inttoptr i64 %.98.i to ptr
  %.47.i139.i = load i64, ptr %.45.i138.i, align 8
  %.51.i141.i = load i64, ptr %.50.i.i, align 8
  %.52.i142.i = add nsw i64 %.51.i141.i, %.47.i139.i
  %.53.i143.i = inttoptr i64 %.52.i142.i to ptr
  %.55.i144.i = load i64, ptr %.53.i143.i, align 8
  %sunkaddr5.i.i = inttoptr i64 %.43.i137.i to ptr
  %sunkaddr6.i.i = shl i64 %.35.i135.i, 3
  %sunkaddr7.i.i = getelementptr i8, ptr %sunkaddr5.i.i, i64 %sunkaddr6.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i193.i, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i145.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.thread.i145.i:
  store i64 %.55.i144.i, ptr %sunkaddr7.i.i, align 8
  br label %B236.i146.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit.i193.i:
  %.35.pre.i.i194.i = load i64, ptr %sunkaddr7.i.i, align 8
  %.not.i195.i = icmp eq i64 %.35.pre.i.i194.i, %.55.i144.i
  br i1 %.not.i195.i, label %B236.i146.i, label %B370.endif.thread.i

B236.i146.i:
  %.113.i148.i = load i64, ptr %.112.i.i, align 8
  %.118.i150.i = load i64, ptr %.117.i.i, align 8
  %.119.i151.i = inttoptr i64 %.118.i150.i to ptr
  %.120.i152.i = getelementptr i64, ptr %.119.i151.i, i64 %.270122125.i
  %.121.i153.i = load i64, ptr %.120.i152.i, align 8
  %.129.i154.i = inttoptr i64 %.113.i148.i to ptr
  store i64 0, ptr %.129.i154.i, align 8
  %.134.i155.i = tail call i32 @descend_get_dtype(i64 %.98.i, i64 %.113.i148.i)
  %.136.i156.i = add nsw i64 %.113.i148.i, 8
  %.138.i157.i = tail call i32 @descend_get_rank(i64 %.98.i, i64 %.136.i156.i)
  %.143.i158.i = add nsw i64 %.113.i148.i, 16
  %.145.i159.i = tail call i32 @descend_get_sizes(i64 %.98.i, i64 %.143.i158.i)
  %.149.i160.i = add nsw i64 %.113.i148.i, 24
  %.151.i161.i = tail call i32 @descend_get_strides(i64 %.98.i, i64 %.149.i160.i)
  %.153.i162.i = add nsw i64 %.113.i148.i, 32
  %.155.i163.i = tail call i32 @descend_get_data(i64 %.98.i, i64 %.153.i162.i)
  %.160168.i.i = or i32 %.138.i157.i, %.134.i155.i
  %.141166.i.i = or i32 %.160168.i.i, %.145.i159.i
  %.147167.i.i = or i32 %.141166.i.i, %.151.i161.i
  %.161169.i.i = or i32 %.147167.i.i, %.155.i163.i
  %.162.not.i164.i = icmp eq i32 %.161169.i.i, 0
  br i1 %.162.not.i164.i, label %B556.i165.i, label %B370.endif.thread.i

B556.i165.i:
  %.166.i166.i = getelementptr i8, ptr %.129.i154.i, i64 8
  %.167.i167.i = load i64, ptr %.166.i166.i, align 8
  %.169.not.i168.i = icmp eq i64 %.167.i167.i, %.121.i153.i
  br i1 %.169.not.i168.i, label %B596.i169.i, label %B370.endif.thread.i

B596.i169.i:
  %.175.i171.i = load i64, ptr %.174.i.i, align 8
  %.179.i172.i = load i64, ptr %.129.i154.i, align 8
  %sunkaddr11.i.i = inttoptr i64 %.175.i171.i to ptr
  %sunkaddr13.i.i = getelementptr i8, ptr %sunkaddr11.i.i, i64 %sunkaddr6.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i191.i, label %_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.thread.i173.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.thread.i173.i:
  store i64 %.179.i172.i, ptr %sunkaddr13.i.i, align 8
  br label %B702.i174.i

_ZN7descend7engines7runtime5agreeB2v5B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxxb.exit22.i191.i:
  %.35.pre.i21.i192.i = load i64, ptr %sunkaddr13.i.i, align 8
  %.not51.i.i = icmp eq i64 %.35.pre.i21.i192.i, %.179.i172.i
  br i1 %.not51.i.i, label %B702.i174.i, label %B370.endif.thread.i

B702.i174.i:
  %.347195.not.i.i = icmp slt i64 %.121.i153.i, 1
  br i1 %.347195.not.i.i, label %B976.i.i, label %B794.lr.ph.i175.i

B794.lr.ph.i175.i:
  %.238.i177.i = load i64, ptr %.23771.i.i, align 8
  %.239.i178.i = inttoptr i64 %.238.i177.i to ptr
  %.240.i179.i = getelementptr i64, ptr %.239.i178.i, i64 %.270122125.i
  %.241.i180.i = load i64, ptr %.240.i179.i, align 8
  %.391.i181.i = getelementptr i8, ptr %.129.i154.i, i64 16
  %.392.i182.i = load i64, ptr %.391.i181.i, align 8
  %sunkaddr.i23.i.i = inttoptr i64 %.241.i180.i to ptr
  %21 = shl i64 %.121.i153.i, 3
  %scevgep53.i.i = getelementptr i8, ptr %sunkaddr.i23.i.i, i64 %21
  %22 = inttoptr i64 %.392.i182.i to ptr
  %sunkaddr15.i.i = getelementptr i8, ptr %.129.i154.i, i64 24
  br label %B794.i183.i

B794.i183.i:
  %.353191196.i.i = phi i64 [ 0, %B794.lr.ph.i175.i ], [ %.360.i.i, %B962.i.i ]
  %.360.i.i = add nuw nsw i64 %.353191196.i.i, 1
  %23 = shl i64 %.353191196.i.i, 3
  %scevgep55.i.i = getelementptr i8, ptr %22, i64 %23
  %.395.i184.i = load i64, ptr %scevgep55.i.i, align 8
  %sunkaddr3.i25.i.i = getelementptr i8, ptr %sunkaddr.i23.i.i, i64 %23
  %.35.pre.i27.i.i = load i64, ptr %sunkaddr3.i25.i.i, align 8
  %.not52.i.i = icmp eq i64 %.35.pre.i27.i.i, %.395.i184.i
  br i1 %.not52.i.i, label %B872.i.i, label %B370.endif.thread.i

B872.i.i:
  %.474.i185.i = load i64, ptr %sunkaddr15.i.i, align 8
  %.475.i186.i = inttoptr i64 %.474.i185.i to ptr
  %scevgep1.i.i = getelementptr i8, ptr %.475.i186.i, i64 %23
  %.477.i187.i = load i64, ptr %scevgep1.i.i, align 8
  %scevgep2.i.i = getelementptr i8, ptr %scevgep53.i.i, i64 %23
  %.35.pre.i33.i.i = load i64, ptr %scevgep2.i.i, align 8
  %24 = icmp eq i64 %.35.pre.i33.i.i, %.477.i187.i
  %.518.not.i.i = icmp eq i64 %.395.i184.i, 1
  %or.cond.i.i = or i1 %.518.not.i.i, %24
  br i1 %or.cond.i.i, label %B962.i.i, label %B370.endif.thread.i

B962.i.i:
  %exitcond.not.i.i = icmp eq i64 %.121.i153.i, %.360.i.i
  br i1 %exitcond.not.i.i, label %B976.i.i, label %B794.i183.i

B976.i.i:
  %.565.i.i = load i64, ptr %.64882.i.i, align 8
  %.567.i.i = inttoptr i64 %.565.i.i to ptr
  %.568.i.i = getelementptr i64, ptr %.567.i.i, i64 %.35.i135.i
  %.569.i.i = load i64, ptr %.568.i.i, align 8
  %.572.i.i = getelementptr i8, ptr %.129.i154.i, i64 32
  %.573.i.i = load i64, ptr %.572.i.i, align 8
  %.574.not.i.i = icmp eq i64 %.569.i.i, %.573.i.i
  br i1 %.574.not.i.i, label %B1248.i.i, label %B1082.i.i

B1082.i.i:
  %.19.i.i.i = getelementptr i64, ptr %.567.i.i, i64 %.270122125.i
  %.20.i.i.i = load i64, ptr %.19.i.i.i, align 8
  %.22.i.i.i = icmp eq i64 %.573.i.i, %.20.i.i.i
  br i1 %.22.i.i.i, label %B1148.i.i, label %B60.i.i.i

B60.i.i.i:
  %.36.i.i.i = load i64, ptr %.35.i35.i.i, align 8
  %.46.i.i.i = icmp sgt i64 %.36.i.i.i, 0
  br i1 %.46.i.i.i, label %B118.preheader.i.i.i, label %B214.i.i.i

B118.preheader.i.i.i:
  %.64.i.i.i = load i64, ptr %.63.i.i.i, align 8
  %25 = inttoptr i64 %.64.i.i.i to ptr
  br label %B118.i.i.i

B118.i.i.i:
  %high.2.0.i.i.i = phi i64 [ %spec.select.i.i.i, %B118.i.i.i ], [ %.36.i.i.i, %B118.preheader.i.i.i ]
  %low.2.0.i.i.i = phi i64 [ %spec.select50.i.i.i, %B118.i.i.i ], [ 0, %B118.preheader.i.i.i ]
  %.55.i.i.i = add nuw nsw i64 %low.2.0.i.i.i, %high.2.0.i.i.i
  %.56.i.i.i = lshr i64 %.55.i.i.i, 1
  %.66.i.i.i = getelementptr i64, ptr %25, i64 %.56.i.i.i
  %.67.i.i.i = load i64, ptr %.66.i.i.i, align 8
  %.69.not.i.i.i = icmp sgt i64 %.67.i.i.i, %.573.i.i
  %.80.i.i.i = add nuw nsw i64 %.56.i.i.i, 1
  %spec.select.i.i.i = select i1 %.69.not.i.i.i, i64 %.56.i.i.i, i64 %high.2.0.i.i.i
  %spec.select50.i.i.i = select i1 %.69.not.i.i.i, i64 %low.2.0.i.i.i, i64 %.80.i.i.i
  %.111.i.i.i = icmp slt i64 %spec.select50.i.i.i, %spec.select.i.i.i
  br i1 %.111.i.i.i, label %B118.i.i.i, label %B214.i.i.i

B214.i.i.i:
  %low.4.1.i.i.i = phi i64 [ 0, %B60.i.i.i ], [ %spec.select50.i.i.i, %B118.i.i.i ]
  %.131.i.i.i = icmp eq i64 %low.4.1.i.i.i, %.36.i.i.i
  br i1 %.131.i.i.i, label %B1148.i.i, label %_ZN7descend7engines7runtime18apart_from_writtenB2v6B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxx.exit.i.i

_ZN7descend7engines7runtime18apart_from_writtenB2v6B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxx.exit.i.i:
  %.140.i.i.i = load i64, ptr %.139.i.i.i, align 8
  %.141.i.i.i = inttoptr i64 %.140.i.i.i to ptr
  %.142.i.i.i = getelementptr i64, ptr %.141.i.i.i, i64 %.270122125.i
  %.143.i.i.i = load i64, ptr %.142.i.i.i, align 8
  %.147.i.i.i = add nsw i64 %.143.i.i.i, %.573.i.i
  %.154.i.i.i = load i64, ptr %.153.i.i.i, align 8
  %.155.i.i.i = inttoptr i64 %.154.i.i.i to ptr
  %.156.i.i.i = getelementptr i64, ptr %.155.i.i.i, i64 %low.4.1.i.i.i
  %.157.i.i.i = load i64, ptr %.156.i.i.i, align 8
  %.162.i.not.i.i = icmp sgt i64 %.147.i.i.i, %.157.i.i.i
  br i1 %.162.i.not.i.i, label %B370.endif.thread.i, label %B1148.i.i

B1148.i.i:
  %sunkaddr70.i.i = getelementptr i8, ptr %.567.i.i, i64 %sunkaddr6.i.i
  store i64 %.573.i.i, ptr %sunkaddr70.i.i, align 8
  %.649.pre.i.i = load i64, ptr %.64882.i.i, align 8
  %.pre.i189.i = inttoptr i64 %.649.pre.i.i to ptr
  br label %B1248.i.i

B1248.i.i:
  %sunkaddr.i37.pre-phi.i.i = phi ptr [ %.pre.i189.i, %B1148.i.i ], [ %.567.i.i, %B976.i.i ]
  %.655.i190.i = phi i64 [ %.573.i.i, %B1148.i.i ], [ %.569.i.i, %B976.i.i ]
  %sunkaddr19.i.i = getelementptr i8, ptr %sunkaddr.i37.pre-phi.i.i, i64 %sunkaddr6.i.i
  br i1 %.not, label %_ZN7descend7engines7runtime11same_tensorB2v7B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_281_29xb.exit.i, label %_ZN7descend7engines7runtime11same_tensorB2v7B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_281_29xb.exit.thread208.i

_ZN7descend7engines7runtime11same_tensorB2v7B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_281_29xb.exit.thread208.i:
  store i64 %.655.i190.i, ptr %sunkaddr19.i.i, align 8
  br label %B272.endif.i

_ZN7descend7engines7runtime11same_tensorB2v7B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExx23Literal_5bint_5d_281_29xb.exit.i:
  %.35.pre.i43.i.i = load i64, ptr %sunkaddr19.i.i, align 8
  %.not212.i = icmp eq i64 %.35.pre.i43.i.i, %.655.i190.i
  br i1 %.not212.i, label %B272.endif.i, label %B370.endif.thread.i

B272.endif.i:
  %.155.i = load i64, ptr %.154.i3, align 8
  %.192.i = add i64 %.155.i, -2
  %.235222.not.i = icmp slt i64 %.192.i, 1
  br i1 %.235222.not.i, label %B450.endif.i, label %B344.preheader.i

B344.preheader.i:
  %26 = shl i64 %.25.i, 4
  %27 = add i64 %26, %sunkaddr51.i.i
  %28 = shl i64 %.25.i, 3
  br label %B344.i

B342.backedge.i:
  %lsr.iv.next84.i = add i64 %lsr.iv83.i, %28
  %exitcond.not.i5 = icmp eq i64 %.155.i, %.248.i
  br i1 %exitcond.not.i5, label %B450.endif.i, label %B344.i

B450.endif.i:
  %.350.i = load i64, ptr %.349.i, align 8
  %.430237.not.i = icmp slt i64 %.350.i, 1
  br i1 %.430237.not.i, label %B576.endif.i, label %B520.preheader.i

B520.preheader.i:
  %29 = shl i64 %.25.i, 3
  br i1 %.not, label %B520.i, label %B520.us.i

B520.us.i:
  %lsr.iv74.i = phi i64 [ %lsr.iv.next75.i, %B348.i.us.i ], [ %.350.i, %B520.preheader.i ]
  %lsr.iv69.i = phi i64 [ %lsr.iv.next70.i, %B348.i.us.i ], [ %sunkaddr51.i.i, %B520.preheader.i ]
  %.26.i.us.i = load i64, ptr %sunkaddr43.i, align 8
  %.27.i.us.i = inttoptr i64 %.26.i.us.i to ptr
  %scevgep73.i = getelementptr i8, ptr %.27.i.us.i, i64 %lsr.iv69.i
  %.29.i.us.i = load i64, ptr %scevgep73.i, align 8
  %.33.i.us.i = load i64, ptr %sunkaddr51, align 8
  %.34.i.us.i = add nsw i64 %.33.i.us.i, %.29.i.us.i
  %.38.i.us.i = load i64, ptr %.112.i.i, align 8
  %.49.i.us.i = load i64, ptr %sunkaddr52.i, align 8
  %.51.i.us.i = inttoptr i64 %.34.i.us.i to ptr
  %.53.i.us.i = load i64, ptr %.51.i.us.i, align 8
  %.57.i.us.i = load i64, ptr %.50.i.i, align 8
  %.58.i.us.i = add nsw i64 %.57.i.us.i, %.53.i.us.i
  %.59.i.us.i = inttoptr i64 %.58.i.us.i to ptr
  %.61.i.us.i = load i64, ptr %.59.i.us.i, align 8
  %sunkaddr14.i.us.i = inttoptr i64 %.49.i.us.i to ptr
  %scevgep72.i = getelementptr i8, ptr %sunkaddr14.i.us.i, i64 %lsr.iv69.i
  store i64 %.61.i.us.i, ptr %scevgep72.i, align 8
  %.116.i.us.i = tail call i32 @descend_get_data(i64 %.34.i.us.i, i64 %.38.i.us.i)
  %.119.not.i.us.i = icmp eq i32 %.116.i.us.i, 0
  br i1 %.119.not.i.us.i, label %B348.i.us.i, label %B370.endif.thread.i

B348.i.us.i:
  %.136.i.us.i = load i64, ptr %sunkaddr59.i, align 8
  %.140.i.us.i = inttoptr i64 %.38.i.us.i to ptr
  %.142.i.us.i = load i64, ptr %.140.i.us.i, align 8
  %sunkaddr17.i.us.i = inttoptr i64 %.136.i.us.i to ptr
  %scevgep71.i = getelementptr i8, ptr %sunkaddr17.i.us.i, i64 %lsr.iv69.i
  store i64 %.142.i.us.i, ptr %scevgep71.i, align 8
  %lsr.iv.next70.i = add i64 %lsr.iv69.i, %29
  %lsr.iv.next75.i = add nsw i64 %lsr.iv74.i, -1
  %exitcond267.not.us.i = icmp eq i64 %lsr.iv.next75.i, 0
  br i1 %exitcond267.not.us.i, label %B576.endif.i, label %B520.us.i

B518.backedge.i:
  %lsr.iv.next77.i = add i64 %lsr.iv76.i, %29
  %lsr.iv.next82.i = add nsw i64 %lsr.iv81.i, -1
  %exitcond267.not.i = icmp eq i64 %lsr.iv.next82.i, 0
  br i1 %exitcond267.not.i, label %B576.endif.i, label %B520.i

B576.endif.i:
  %.531.i = load i64, ptr %.530.i, align 8
  %.611253.not.i = icmp slt i64 %.531.i, 1
  br i1 %.611253.not.i, label %B368.backedge.i, label %B646.i

B644.backedge.i:
  %lsr.iv.next.i = add i64 %lsr.iv.i, %.25.i
  %exitcond268.not.i = icmp eq i64 %.531.i, %.624.i
  br i1 %exitcond268.not.i, label %B368.backedge.i, label %B646.i

B300.endif.i:
  %.184.i = load i64, ptr %.11, align 8
  %.264124.not.i = icmp slt i64 %.184.i, 1
  br i1 %.264124.not.i, label %B158, label %B370.lr.ph.i

B370.lr.ph.i:
  %.not = icmp eq i64 %.25, 0
  %.39.i = getelementptr i8, ptr %.11, i64 32
  %.42.i.i1 = getelementptr i8, ptr %.11, i64 40
  %.50.i.i = getelementptr i8, ptr %.11, i64 240
  %.112.i.i = getelementptr i8, ptr %.11, i64 248
  %.117.i.i = getelementptr i8, ptr %.11, i64 56
  %.174.i.i = getelementptr i8, ptr %.11, i64 48
  %.23771.i.i = getelementptr i8, ptr %.11, i64 64
  %.64882.i.i = getelementptr i8, ptr %.11, i64 24
  %.35.i35.i.i = getelementptr i8, ptr %.11, i64 176
  %.63.i.i.i = getelementptr i8, ptr %.11, i64 192
  %.139.i.i.i = getelementptr i8, ptr %.11, i64 80
  %.153.i.i.i = getelementptr i8, ptr %.11, i64 184
  %.154.i3 = getelementptr i8, ptr %.11, i64 8
  %.349.i = getelementptr i8, ptr %.11, i64 272
  %sunkaddr43.i = getelementptr i8, ptr %.11, i64 280
  %sunkaddr52.i = getelementptr i8, ptr %.11, i64 288
  %sunkaddr59.i = getelementptr i8, ptr %.11, i64 296
  %.530.i = getelementptr i8, ptr %.11, i64 96
  %sunkaddr62.i = getelementptr i8, ptr %.11, i64 104
  %sunkaddr74.i = getelementptr i8, ptr %.11, i64 120
  %sunkaddr80.i = getelementptr i8, ptr %.11, i64 128
  %sunkaddr85.i = getelementptr i8, ptr %.11, i64 112
  %sunkaddr87.i = getelementptr i8, ptr %.11, i64 88
  %sunkaddr89.i = getelementptr i8, ptr %.11, i64 144
  %sunkaddr93.i = getelementptr i8, ptr %.11, i64 136
  br label %B370.i

B368.backedge.i:
  %exitcond133.not.i = icmp eq i64 %.184.i, %.277.i
  br i1 %exitcond133.not.i, label %B158, label %B370.i

B370.endif.thread.i:
  %.351.i = getelementptr i8, ptr %.11, i64 256
  store i64 %.270122125.i, ptr %.351.i, align 8
  br label %common.ret

common.ret:
  %storemerge = phi i64 [ 0, %B338 ], [ 0, %B532.B498.loopexit_crit_edge.us.i ], [ 1, %B370.endif.thread.i ], [ 0, %B430.endif.i ], [ 1, %B74.i ]
  store i64 %storemerge, ptr %retptr, align 8
  ret void

B158:
  %.74 = and i64 %.13, 2
  %.75.not = icmp eq i64 %.74, 0
  br i1 %.75.not, label %B338, label %B178

B178:
  %.79 = getelementptr i8, ptr %.11, i64 208
  %.80 = load i64, ptr %.79, align 8
  %.81 = icmp sgt i64 %.80, 1
  br i1 %.81, label %B228, label %B304

B228:
  %.89 = tail call ptr @descend_parallel(i64 %arg.worker_address, i64 %arg.job, i64 %.80, i64 0)
  br label %B338

B304:
  %.11.i = getelementptr i8, ptr %.11, i64 16
  %.12.i = load i64, ptr %.11.i, align 8
  %.13.i.i = load i64, ptr %.11, align 8
  %.24.i.i = icmp sgt i64 %.13.i.i, 1
  %.41.i.i = getelementptr i8, ptr %.11, i64 72
  %.42.i.i = load i64, ptr %.41.i.i, align 8
  %30 = inttoptr i64 %.42.i.i to ptr
  br i1 %.24.i.i, label %B68.i.i, label %_ZN7descend7engines7runtime4workB3v13B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx23Literal_5bint_5d_280_2923Literal_5bint_5d_281_29.exit

B68.i.i:
  %high.2.0.i.i = phi i64 [ %spec.select.i.i, %B68.i.i ], [ %.13.i.i, %B304 ]
  %low.2.0.i.i = phi i64 [ %spec.select34.i.i, %B68.i.i ], [ 0, %B304 ]
  %.33.i.i = add nuw nsw i64 %low.2.0.i.i, %high.2.0.i.i
  %.34.i.i = lshr i64 %.33.i.i, 1
  %.44.i.i = getelementptr i64, ptr %30, i64 %.34.i.i
  %.45.i.i = load i64, ptr %.44.i.i, align 8
  %.47.not.i.i = icmp sgt i64 %.45.i.i, 0
  %spec.select.i.i = select i1 %.47.not.i.i, i64 %.34.i.i, i64 %high.2.0.i.i
  %spec.select34.i.i = select i1 %.47.not.i.i, i64 %low.2.0.i.i, i64 %.34.i.i
  %.88.i.i = sub nsw i64 %spec.select.i.i, %spec.select34.i.i
  %.93.i.i = icmp sgt i64 %.88.i.i, 1
  br i1 %.93.i.i, label %B68.i.i, label %B68.i8.i

B68.i8.i:
  %high.2.0.i9.i = phi i64 [ %spec.select.i16.i, %B68.i8.i ], [ %.13.i.i, %B68.i.i ]
  %low.2.0.i10.i = phi i64 [ %spec.select34.i17.i, %B68.i8.i ], [ 0, %B68.i.i ]
  %.33.i11.i = add nuw nsw i64 %low.2.0.i10.i, %high.2.0.i9.i
  %.34.i12.i = lshr i64 %.33.i11.i, 1
  %.44.i13.i = getelementptr i64, ptr %30, i64 %.34.i12.i
  %.45.i14.i = load i64, ptr %.44.i13.i, align 8
  %.47.not.i15.i = icmp sgt i64 %.45.i14.i, %.12.i
  %spec.select.i16.i = select i1 %.47.not.i15.i, i64 %.34.i12.i, i64 %high.2.0.i9.i
  %spec.select34.i17.i = select i1 %.47.not.i15.i, i64 %low.2.0.i10.i, i64 %.34.i12.i
  %.88.i18.i = sub nsw i64 %spec.select.i16.i, %spec.select34.i17.i
  %.93.i19.i = icmp sgt i64 %.88.i18.i, 1
  br i1 %.93.i19.i, label %B68.i8.i, label %_ZN7descend7engines7runtime4workB3v13B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx23Literal_5bint_5d_280_2923Literal_5bint_5d_281_29.exit

_ZN7descend7engines7runtime4workB3v13B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAEx23Literal_5bint_5d_280_2923Literal_5bint_5d_281_29.exit:
  %low.4.1.i22.i = phi i64 [ 0, %B304 ], [ %spec.select34.i.i, %B68.i8.i ]
  %low.4.1.i4.i = phi i64 [ 0, %B304 ], [ %spec.select34.i17.i, %B68.i8.i ]
  %.162.i = getelementptr i64, ptr %30, i64 %low.4.1.i22.i
  %.163.i = load i64, ptr %.162.i, align 8
  %.164.i1 = sub nsw i64 0, %.163.i
  %.171.i = getelementptr i64, ptr %30, i64 %low.4.1.i4.i
  %.172.i = load i64, ptr %.171.i, align 8
  %.173.i = sub nsw i64 %.12.i, %.172.i
  %.221.i = and i64 %.164.i1, -1024
  %.279.i = getelementptr i8, ptr %.11, i64 200
  %.280.i = load i64, ptr %.279.i, align 8
  %.286.i = inttoptr i64 %.280.i to ptr
  tail call void %.286.i(i64 %arg.job, i64 %low.4.1.i22.i, i64 %.221.i, i64 %low.4.1.i4.i, i64 %.173.i)
  br label %B338

B338:
  %.125 = and i64 %.13, 4
  %.128.not = icmp eq i64 %.125, 0
  br i1 %.128.not, label %common.ret, label %B358

B358:
  %.10.i = load i64, ptr %.11, align 8
  %.13.i = getelementptr i8, ptr %.11, i64 232
  %.14.i = load i64, ptr %.13.i, align 8
  %.23.i12 = getelementptr i8, ptr %.11, i64 8
  %.24.i = load i64, ptr %.23.i12, align 8
  %.26.i = mul nsw i64 %.24.i, %.10.i
  %.108199.not.i = icmp slt i64 %.26.i, 1
  br i1 %.108199.not.i, label %B274.endif.i, label %B164.lr.ph.i

B164.lr.ph.i:
  %.154.i13 = shl nsw i64 %.10.i, 1
  %sunkaddr10.i = getelementptr i8, ptr %.11, i64 32
  br label %B164.i

B164.i:
  %.114198200.i = phi i64 [ 0, %B164.lr.ph.i ], [ %.121.i, %B272.i ]
  %.121.i = add nuw i64 %.114198200.i, 1
  %.151.i = icmp slt i64 %.114198200.i, %.10.i
  %.156.i14 = icmp sge i64 %.114198200.i, %.154.i13
  %or.cond.i = select i1 %.151.i, i1 true, i1 %.156.i14
  br i1 %or.cond.i, label %B196.i, label %B272.i

B196.i:
  %.162.i20 = load i64, ptr %sunkaddr10.i, align 8
  %.163.i21 = inttoptr i64 %.162.i20 to ptr
  %31 = shl i64 %.114198200.i, 3
  %scevgep6.i = getelementptr i8, ptr %.163.i21, i64 %31
  %.165.i = load i64, ptr %scevgep6.i, align 8
  %.169.i = add nsw i64 %.165.i, %.14.i
  %.170.i = tail call ptr @descend_bump_version(i64 %.169.i)
  br label %B272.i

B272.i:
  %exitcond.not.i15 = icmp eq i64 %.26.i, %.121.i
  br i1 %exitcond.not.i15, label %B274.endif.i, label %B164.i

B350.i:
  %.270204206.i = phi i64 [ %.277.i17, %B350.i ], [ 0, %B350.preheader.i ]
  %.277.i17 = add nuw i64 %.270204206.i, 1
  %.305.i = load i64, ptr %sunkaddr14.i, align 8
  %.306.i = inttoptr i64 %.305.i to ptr
  %32 = shl i64 %.270204206.i, 3
  %scevgep5.i = getelementptr i8, ptr %.306.i, i64 %32
  %.308.i = load i64, ptr %scevgep5.i, align 8
  %.310.i = add nsw i64 %.308.i, %.14.i
  %.311.i = tail call ptr @descend_bump_version(i64 %.310.i)
  %exitcond234.not.i = icmp eq i64 %.184.i16, %.277.i17
  br i1 %exitcond234.not.i, label %B430.endif.i, label %B350.i

B274.endif.i:
  %.181.i = getelementptr i8, ptr %.11, i64 272
  %.182.i = load i64, ptr %.181.i, align 8
  %.184.i16 = mul nsw i64 %.182.i, %.10.i
  %.264205.not.i = icmp slt i64 %.184.i16, 1
  br i1 %.264205.not.i, label %B430.endif.i, label %B350.preheader.i

B350.preheader.i:
  %sunkaddr14.i = getelementptr i8, ptr %.11, i64 280
  br label %B350.i

B430.endif.i:
  %.319.i = getelementptr i8, ptr %.11, i64 96
  %.320.i = load i64, ptr %.319.i, align 8
  %.400223.not.i = icmp slt i64 %.320.i, 1
  %.521212.not.i = icmp slt i64 %.10.i, 1
  %or.cond1.i = or i1 %.521212.not.i, %.400223.not.i
  br i1 %or.cond1.i, label %common.ret, label %B500.endif.us.preheader.i

B500.endif.us.preheader.i:
  %33 = shl i64 %.10.i, 3
  %sunkaddr18.i = getelementptr i8, ptr %.11, i64 104
  %sunkaddr21.i = getelementptr i8, ptr %.11, i64 88
  %sunkaddr23.i = getelementptr i8, ptr %.11, i64 144
  %sunkaddr25.i = getelementptr i8, ptr %.11, i64 136
  %sunkaddr27.i = getelementptr i8, ptr %.11, i64 112
  br label %B500.endif.us.i

B500.endif.us.i:
  %lsr.iv.i18 = phi i64 [ 0, %B500.endif.us.preheader.i ], [ %lsr.iv.next.i19, %B532.B498.loopexit_crit_edge.us.i ]
  %.406218224.us.i = phi i64 [ 0, %B500.endif.us.preheader.i ], [ %.413.us.i, %B532.B498.loopexit_crit_edge.us.i ]
  br label %B534.us.i

B534.us.i:
  %.527211213.us.i = phi i64 [ 0, %B500.endif.us.i ], [ %.534.us.i, %B961.us.i ]
  %.534.us.i = add nuw nsw i64 %.527211213.us.i, 1
  %.570.us.i = load i64, ptr %sunkaddr18.i, align 8
  %.571.us.i = inttoptr i64 %.570.us.i to ptr
  %scevgep3.i = getelementptr i8, ptr %.571.us.i, i64 %lsr.iv.i18
  %34 = shl i64 %.527211213.us.i, 3
  %scevgep4.i = getelementptr i8, ptr %scevgep3.i, i64 %34
  %.573.us.i = load i64, ptr %scevgep4.i, align 8
  %.575.us.i = add nsw i64 %.573.us.i, %.14.i
  %.576.us.i = tail call ptr @descend_bump_version(i64 %.575.us.i)
  %.581.us.i = load i64, ptr %sunkaddr21.i, align 8
  %.582.us.i = inttoptr i64 %.581.us.i to ptr
  %scevgep8.i = getelementptr i8, ptr %.582.us.i, i64 %34
  %.584.us.i = load i64, ptr %scevgep8.i, align 8
  %.588.us.i = load i64, ptr %sunkaddr23.i, align 8
  %.591.us.i = inttoptr i64 %.584.us.i to ptr
  %35 = getelementptr double, ptr %.591.us.i, i64 %.588.us.i
  %.592.us.i = getelementptr double, ptr %35, i64 %.406218224.us.i
  %.593.us.i = load double, ptr %.592.us.i, align 8
  %.600.us.i = load i64, ptr %sunkaddr25.i, align 8
  %.601.not.us.i = icmp eq i64 %.600.us.i, 0
  %.634.us.i = load i64, ptr %sunkaddr27.i, align 8
  %.635.us.i = inttoptr i64 %.634.us.i to ptr
  %scevgep1.i = getelementptr i8, ptr %.635.us.i, i64 %lsr.iv.i18
  %scevgep7.i = getelementptr i8, ptr %scevgep1.i, i64 %34
  %.637.us.i = load i64, ptr %scevgep7.i, align 8
  br i1 %.601.not.us.i, label %B870.us.i, label %B782.us.i

B782.us.i:
  %.618.us.i = inttoptr i64 %.637.us.i to ptr
  store double %.593.us.i, ptr %.618.us.i, align 8
  br label %B961.us.i

B870.us.i:
  %.639.us.i = fptrunc double %.593.us.i to float
  %.640.us.i = inttoptr i64 %.637.us.i to ptr
  store float %.639.us.i, ptr %.640.us.i, align 4
  br label %B961.us.i

B961.us.i:
  %exitcond235.not.i = icmp eq i64 %.10.i, %.534.us.i
  br i1 %exitcond235.not.i, label %B532.B498.loopexit_crit_edge.us.i, label %B534.us.i

B532.B498.loopexit_crit_edge.us.i:
  %.413.us.i = add nuw nsw i64 %.406218224.us.i, 1
  %lsr.iv.next.i19 = add i64 %lsr.iv.i18, %33
  %exitcond236.not.i = icmp eq i64 %.413.us.i, %.320.i
  br i1 %exitcond236.not.i, label %common.ret, label %B500.endif.us.i
}

declare i64 @llvm.smax.i64(i64, i64)

declare i64 @descend_get_grad(i64) local_unnamed_addr

declare ptr @descend_parallel(i64, i64, i64, i64) local_unnamed_addr

declare ptr @descend_bump_version(i64) local_unnamed_addr

declare i32 @descend_get_data(i64, i64) local_unnamed_addr

declare i32 @descend_get_dtype(i64, i64) local_unnamed_addr

declare i32 @descend_get_rank(i64, i64) local_unnamed_addr

declare i32 @descend_get_sizes(i64, i64) local_unnamed_addr

declare i32 @descend_get_strides(i64, i64) local_unnamed_addr

define i64 @descend_launch(i64 %.1, i64 %.2) local_unnamed_addr {
entry:
  %.4 = alloca i64, align 8
  store i64 0, ptr %.4, align 8
  call fastcc void @_ZN7descend7engines7runtime6launchB2v1B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAg6cJqBrMeIZJFEGM0QQAExx(ptr nonnull %.4, i64 %.1, i64 %.2)
  %.18 = load i64, ptr %.4, align 8
  ret i64 %.18
}

define internal fastcc void @_ZN7descend7engines7runtime6workerB3v16B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAg6cJqBrMeIZJFEGM0QQAEx(ptr noalias nonnull writeonly %retptr, i64 %arg.job) unnamed_addr {
B0:
  %.6 = tail call i32 @descend_thread_number()
  %.7 = sext i32 %.6 to i64
  %.8 = tail call i32 @descend_thread_count()
  %.9 = sext i32 %.8 to i64
  %.10.i = inttoptr i64 %arg.job to ptr
  %.11.i = getelementptr i8, ptr %.10.i, i64 16
  %.12.i = load i64, ptr %.11.i, align 8
  %.13.i = mul nsw i64 %.12.i, %.7
  %.16.i = icmp eq i32 %.8, 0
  br i1 %.16.i, label %B0.endif.endif.i, label %B0.else.i

B0.else.i:
  %.27.i = icmp ne i64 %.13.i, -9223372036854775808
  %.28.i = icmp ne i32 %.8, -1
  %.29.not.i = or i1 %.28.i, %.27.i
  br i1 %.29.not.i, label %B0.else.if.i, label %B0.endif.else.i

B0.else.if.i:
  %0 = or i64 %.13.i, %.9
  %1 = icmp ult i64 %0, 4294967296
  br i1 %1, label %2, label %8

2:
  %3 = trunc nuw i64 %.13.i to i32
  %4 = udiv i32 %3, %.8
  %5 = urem i32 %3, %.8
  %6 = zext i32 %4 to i64
  %7 = zext nneg i32 %5 to i64
  br label %11

8:
  %9 = sdiv i64 %.13.i, %.9
  %10 = srem i64 %.13.i, %.9
  br label %11

11:
  %12 = phi i64 [ %6, %2 ], [ %9, %8 ]
  %13 = phi i64 [ %7, %2 ], [ %10, %8 ]
  %.34.i = xor i64 %13, %.9
  %.35.i = icmp slt i64 %.34.i, 0
  %.36.i = icmp ne i64 %13, 0
  %.37.i = and i1 %.36.i, %.35.i
  %.42.i = sext i1 %.37.i to i64
  %spec.select.i = add i64 %12, %.42.i
  br label %B0.endif.else.i

B0.endif.else.i:
  %.21.0.i = phi i64 [ 0, %B0.else.i ], [ %spec.select.i, %11 ]
  %.54.i = add nsw i64 %.7, 1
  %.55.i = mul nsw i64 %.12.i, %.54.i
  %.69.i = icmp ne i64 %.55.i, -9223372036854775808
  %.71.not.i = or i1 %.28.i, %.69.i
  br i1 %.71.not.i, label %B0.endif.else.if.i, label %B0.endif.endif.i

B0.endif.endif.i:
  %quot.028.i = phi i64 [ 0, %B0 ], [ %.21.0.i, %B0.endif.else.i ], [ %.21.0.i, %26 ]
  %quot.1.0.i = phi i64 [ 0, %B0 ], [ 0, %B0.endif.else.i ], [ %spec.select30.i, %26 ]
  %.13.i.i = load i64, ptr %.10.i, align 8
  %.24.i.i = icmp sgt i64 %.13.i.i, 1
  %.41.i.i = getelementptr i8, ptr %.10.i, i64 72
  %.42.i.i = load i64, ptr %.41.i.i, align 8
  %14 = inttoptr i64 %.42.i.i to ptr
  br i1 %.24.i.i, label %B68.i.i, label %_ZN7descend7engines7runtime4workB3v17B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxx.exit

B68.i.i:
  %high.2.0.i.i = phi i64 [ %spec.select.i.i, %B68.i.i ], [ %.13.i.i, %B0.endif.endif.i ]
  %low.2.0.i.i = phi i64 [ %spec.select34.i.i, %B68.i.i ], [ 0, %B0.endif.endif.i ]
  %.33.i.i = add nuw nsw i64 %low.2.0.i.i, %high.2.0.i.i
  %.34.i.i = lshr i64 %.33.i.i, 1
  %.44.i.i = getelementptr i64, ptr %14, i64 %.34.i.i
  %.45.i.i = load i64, ptr %.44.i.i, align 8
  %.47.not.i.i = icmp sgt i64 %.45.i.i, %quot.028.i
  %spec.select.i.i = select i1 %.47.not.i.i, i64 %.34.i.i, i64 %high.2.0.i.i
  %spec.select34.i.i = select i1 %.47.not.i.i, i64 %low.2.0.i.i, i64 %.34.i.i
  %.88.i.i = sub nsw i64 %spec.select.i.i, %spec.select34.i.i
  %.93.i.i = icmp sgt i64 %.88.i.i, 1
  br i1 %.93.i.i, label %B68.i.i, label %B68.i8.i

B0.endif.else.if.i:
  %15 = or i64 %.55.i, %.9
  %16 = icmp ult i64 %15, 4294967296
  br i1 %16, label %17, label %23

17:
  %18 = trunc nuw i64 %.55.i to i32
  %19 = udiv i32 %18, %.8
  %20 = urem i32 %18, %.8
  %21 = zext i32 %19 to i64
  %22 = zext nneg i32 %20 to i64
  br label %26

23:
  %24 = sdiv i64 %.55.i, %.9
  %25 = srem i64 %.55.i, %.9
  br label %26

26:
  %27 = phi i64 [ %21, %17 ], [ %24, %23 ]
  %28 = phi i64 [ %22, %17 ], [ %25, %23 ]
  %.76.i = xor i64 %28, %.9
  %.77.i = icmp slt i64 %.76.i, 0
  %.78.i = icmp ne i64 %28, 0
  %.79.i = and i1 %.78.i, %.77.i
  %.84.i = sext i1 %.79.i to i64
  %spec.select30.i = add i64 %27, %.84.i
  br label %B0.endif.endif.i

B68.i8.i:
  %high.2.0.i9.i = phi i64 [ %spec.select.i16.i, %B68.i8.i ], [ %.13.i.i, %B68.i.i ]
  %low.2.0.i10.i = phi i64 [ %spec.select34.i17.i, %B68.i8.i ], [ 0, %B68.i.i ]
  %.33.i11.i = add nuw nsw i64 %low.2.0.i10.i, %high.2.0.i9.i
  %.34.i12.i = lshr i64 %.33.i11.i, 1
  %.44.i13.i = getelementptr i64, ptr %14, i64 %.34.i12.i
  %.45.i14.i = load i64, ptr %.44.i13.i, align 8
  %.47.not.i15.i = icmp sgt i64 %.45.i14.i, %quot.1.0.i
  %spec.select.i16.i = select i1 %.47.not.i15.i, i64 %.34.i12.i, i64 %high.2.0.i9.i
  %spec.select34.i17.i = select i1 %.47.not.i15.i, i64 %low.2.0.i10.i, i64 %.34.i12.i
  %.88.i18.i = sub nsw i64 %spec.select.i16.i, %spec.select34.i17.i
  %.93.i19.i = icmp sgt i64 %.88.i18.i, 1
  br i1 %.93.i19.i, label %B68.i8.i, label %_ZN7descend7engines7runtime4workB3v17B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxx.exit

_ZN7descend7engines7runtime4workB3v17B58c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAQ4s_2fqErM2IZJFEEM0wQAExxx.exit:
  %low.4.1.i22.i = phi i64 [ 0, %B0.endif.endif.i ], [ %spec.select34.i.i, %B68.i8.i ]
  %low.4.1.i4.i = phi i64 [ 0, %B0.endif.endif.i ], [ %spec.select34.i17.i, %B68.i8.i ]
  %sunkaddr1.i = shl i64 %low.4.1.i22.i, 3
  %sunkaddr2.i = getelementptr i8, ptr %14, i64 %sunkaddr1.i
  %.163.i = load i64, ptr %sunkaddr2.i, align 8
  %.164.i = sub nsw i64 %quot.028.i, %.163.i
  %sunkaddr4.i = shl i64 %low.4.1.i4.i, 3
  %sunkaddr5.i = getelementptr i8, ptr %14, i64 %sunkaddr4.i
  %.172.i = load i64, ptr %sunkaddr5.i, align 8
  %.173.i = sub nsw i64 %quot.1.0.i, %.172.i
  %.221.i = and i64 %.164.i, -1024
  %.225.i = icmp slt i64 %quot.1.0.i, %.12.i
  %.269.i = and i64 %.173.i, -1024
  %stop.2.0.i = select i1 %.225.i, i64 %.269.i, i64 %.173.i
  %.279.i = getelementptr i8, ptr %.10.i, i64 200
  %.280.i = load i64, ptr %.279.i, align 8
  %.286.i = inttoptr i64 %.280.i to ptr
  tail call void %.286.i(i64 %arg.job, i64 %low.4.1.i22.i, i64 %.221.i, i64 %low.4.1.i4.i, i64 %stop.2.0.i)
  store ptr null, ptr %retptr, align 8
  ret void
}

declare i32 @descend_thread_number() local_unnamed_addr

declare i32 @descend_thread_count() local_unnamed_addr

define ptr @descend_worker(i64 %.1) local_unnamed_addr {
entry:
  %.3 = alloca ptr, align 8
  store ptr null, ptr %.3, align 8
  call fastcc void @_ZN7descend7engines7runtime6workerB3v16B56c8tJTIeFIjxB2IKSgI4CrvQCk0Z4yRYcWsBAg6cJqBrMeIZJFEGM0QQAEx(ptr nonnull %.3, i64 %.1)
  %.17 = load ptr, ptr %.3, align 8
  ret ptr %.17
}
